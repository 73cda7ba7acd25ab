// Package ctest holds the tests of the C device in sdk/c against a real server: the Linux
// program and the bare-metal firmware under QEMU. They need Debian's packages that
// scripts/tools.sh lists for sdk, and run with the build tag sdk: make sdk.
package ctest
