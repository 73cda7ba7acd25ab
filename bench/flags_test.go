package main

import (
	"slices"
	"testing"
)

func TestFleetsAreNumbersAboveZero(t *testing.T) {
	if got, err := counts("1000,25"); err != nil || !slices.Equal(got, []int{1000, 25}) {
		t.Errorf("1000,25: %v, %v", got, err)
	}
	for _, wrong := range []string{"", "0", "1000,", "1e6", "-3"} {
		if got, err := counts(wrong); err == nil {
			t.Errorf("%q was read as %v", wrong, got)
		}
	}
}
