//go:build tools

// Package tools names the programs the lab builds, so that `go mod tidy` keeps their modules pinned.
package tools

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
