#!/bin/sh
# Make the programs beside this file again, in the current folder.
set -eu
here=$(dirname "$0")
lld="$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld"
PATH="$PATH:$(rustc --print sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin"

build() { # platform, target, interpreter
  RUSTC_BOOTSTRAP=1 rustc --target "$2" --emit obj -C panic=abort -C relocation-model=pic -o program.o "$here/program.rs"
  "$lld" -shared -soname libc.so.6 -z max-page-size=4096 -s program.o -o libc.so.6
  "$lld" -pie --dynamic-linker "$3" --no-as-needed -rpath '$ORIGIN/../lib' -z max-page-size=4096 -s \
    program.o libc.so.6 -o "$1.pie"
  rm program.o libc.so.6
}

build 386 i686-unknown-linux-gnu /lib/ld-linux.so.2
build amd64 x86_64-unknown-linux-gnu /lib64/ld-linux-x86-64.so.2
build arm-v5 armv5te-unknown-linux-gnueabi /lib/ld-linux.so.3
build arm-v6 arm-unknown-linux-gnueabihf /lib/ld-linux-armhf.so.3
build arm-v7 armv7-unknown-linux-gnueabihf /lib/ld-linux-armhf.so.3
build arm64 aarch64-unknown-linux-gnu /lib/ld-linux-aarch64.so.1
build loong64 loongarch64-unknown-linux-gnu /lib64/ld-linux-loongarch-lp64d.so.1
build mips64le mips64el-unknown-linux-gnuabi64 /lib64/ld.so.1
build ppc64le powerpc64le-unknown-linux-gnu /lib64/ld64.so.2
build riscv64 riscv64gc-unknown-linux-gnu /lib/ld-linux-riscv64-lp64d.so.1
build s390x s390x-unknown-linux-gnu /lib/ld64.so.1
