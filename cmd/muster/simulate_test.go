package main

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/muster-iot/muster/simulator"
)

func TestCorruptAloneIsAllUpdates(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		want simulator.Chance
		ok   bool
	}{
		{"left out", nil, 0, true},
		{"alone at the end", []string{"--corrupt"}, 1, true},
		{"alone before a flag", []string{"--corrupt", "--plain"}, 1, true},
		{"with a share", []string{"--corrupt", "2%", "--plain"}, 0.02, true},
		{"with a share after =", []string{"--corrupt=2%"}, 0.02, true},
		{"with no share", []string{"--corrupt", "often"}, 0, false},
		{"with a share below zero", []string{"--corrupt=-2%"}, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var c struct {
				Simulate simulateCmd `cmd:""`
			}
			p, err := kong.New(&c)
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Parse(append([]string{"simulate", "--credentials", "x"}, row.args...))
			if got := c.Simulate.Corrupt.Chance; got != row.want || (err == nil) != row.ok {
				t.Errorf("got %v, %v; want %v", got, err, row.want)
			}
		})
	}
}
