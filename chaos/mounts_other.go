//go:build !linux

package main

// Faults that need Linux are left out elsewhere.
func ownMounts() (inside bool, code int) { return true, 0 }

func mountSmall(string, string) bool { return false }

func unmount(string) {}
