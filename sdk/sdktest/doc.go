// Package sdktest holds the tests of the device's side: the C device of sdk/c on a real server,
// as a Linux program and as bare-metal firmware under QEMU, and every client in this
// repository on the bench of muster conform. They need Debian's packages that
// scripts/tools.sh lists for sdk, and run with the build tag sdk: make sdk.
package sdktest
