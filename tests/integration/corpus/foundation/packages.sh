# Installs a package without programs into roots of its own, with dpkg's own means: /roots/TARGETARCH/KIND.
set -eu

install() { # TARGETARCH KIND ARCHITECTURE VERSION
    package=/tmp/package
    rm -rf $package
    mkdir -p $package/DEBIAN $package/usr/share/sample
    echo "sample data" > $package/usr/share/sample/data
    cat > $package/DEBIAN/control <<END
Package: sample
Version: $4
Architecture: $3
Maintainer: Nobody <nobody@example.org>
Description: data, as a package
END
    dpkg-deb --build $package /tmp/sample.deb
    root=/roots/$1/$2
    mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
    touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
    dpkg --root="$root" --force-architecture --log=/dev/null --install /tmp/sample.deb
}

each() { # TARGETARCH OWN NEIGHBOUR
    install "$1" own "$2" 1.0-1
    install "$1" foreign "$3" 1.0-1
}

each amd64 amd64 arm64
each arm64 arm64 amd64
each arm armhf i386
each 386 i386 armhf
each ppc64le ppc64el s390x
each s390x s390x ppc64el
install arm64 newer arm64 1.1-1
install arm64 rebuilt arm64 1.0-1+b1
