package grant

import (
	"context"
	_ "embed"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/node"
)

var (
	//go:embed swap.lua
	swapSource string
	swapScript = redis.NewScript(swapSource)

	errReply = errors.New("grants: Redis has sent something else")
)

// swap writes what a node has if the version is still was, and removes what nodes that are gone have.
type swap func(ctx context.Context, was, is, node, text string, gone []string) (reply, error)

type reply struct {
	seconds int64 // the time, by Redis
	version string
	all     map[string]string // what each node has; nil: the version was the expected one
}

func inRedis(nodes *node.Nodes) swap {
	return func(ctx context.Context, was, is, node, text string, gone []string) (reply, error) {
		m, err := nodes.Master(keys.Grants)
		if err != nil {
			return reply{}, err
		}
		args := []any{was, is, node, text}
		for _, id := range gone {
			args = append(args, id)
		}
		values, err := swapScript.Run(ctx, m, []string{keys.Grants}, args...).Slice()
		if err != nil {
			return reply{}, err
		}
		return read(values)
	}
}

func read(values []any) (r reply, err error) {
	if len(values) < 2 {
		return r, errReply
	}
	seconds, _ := values[0].(string)
	if r.seconds, err = strconv.ParseInt(seconds, 10, 64); err != nil {
		return r, errReply
	}
	r.version, _ = values[1].(string)
	if len(values) == 2 {
		return r, nil
	}
	fields, _ := values[2].([]any)
	r.all = map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		text, _ := fields[i+1].(string)
		if name != "version" {
			r.all[name] = text
		}
	}
	return r, nil
}
