package migrate

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/store/keys"
	"github.com/muster-iot/muster/store/pipeline"
	"github.com/muster-iot/muster/store/record"
)

// note counts one record, which was read with err.
func (c *count) note(err error) {
	c.records++
	if err != nil {
		c.unreadable++
	}
}

// read adds what names have to kinds.
func (s *Migration) read(ctx context.Context, c redis.Cmdable, names []string, kinds map[string]count) error {
	pipe := c.Pipeline()
	settle := make([]func(*count) error, len(names))
	for i, name := range names {
		switch kind := keys.Kind(name); kind {
		case "d":
			settle[i] = asOne(pipe.HGetAll(ctx, name), func(fields map[string]string) error { return record.ReadDevice(fields, new(fleet.Device)) })
		case "p", "t", "u":
			settle[i] = asOne(pipe.HGetAll(ctx, name), s.Documents[kind])
		case "k":
			settle[i] = asOne(pipe.Get(ctx, name), unpack(record.Token))
		case "o":
			settle[i] = commands(pipe.HGetAll(ctx, name))
		case "h":
			settle[i] = updates(pipe.LRange(ctx, name, 0, -1))
		case "a":
			settle[i] = func(n *count) error { return alerts(ctx, c, name, n) }
		case "m":
			settle[i] = func(n *count) error { return entries(ctx, c, name, n, unpack(record.Message)) }
		case "l", "n":
			settle[i] = func(n *count) error { return entries(ctx, c, name, n, unpack(record.AuditEntry)) }
		case "y":
			sent := pipe.ZCard(ctx, name)
			settle[i] = func(n *count) error { n.records += int(sent.Val()); return sent.Err() }
		default:
			settle[i] = func(*count) error { return nil }
		}
	}
	if pipe.Len() > 0 {
		_ = pipeline.Exec(ctx, pipe) // each reply has its own error
	}
	for i, name := range names {
		kind := keys.Kind(name)
		n := kinds[kind]
		n.keys++
		if err := settle[i](&n); err != nil {
			var reply redis.Error
			if !errors.As(err, &reply) || pipeline.Transient(err) {
				return err
			}
			n.note(err) // of another type, for example
		}
		kinds[kind] = n
	}
	return nil
}

func unpack[T any](codec record.Codec[T]) func(text string) error {
	return func(text string) error { return codec.Unpack(text, new(T)) }
}

// asOne is a key that is one record.
func asOne[T any](sent pipeline.Result[T], read func(T) error) func(*count) error {
	return func(c *count) error {
		value, err := sent.Result()
		if err == nil {
			c.note(read(value))
		}
		return err
	}
}

func commands(sent *redis.MapStringStringCmd) func(*count) error {
	return func(c *count) error {
		fields, err := sent.Result()
		for field, text := range fields {
			switch field[0] {
			case 'c':
				c.note(record.Command.Unpack(text, new(fleet.Command)))
			case 'r':
				c.note(record.CommandResult.Unpack(text, new(fleet.Command)))
			}
		}
		return err
	}
}

func updates(sent *redis.StringSliceCmd) func(*count) error {
	return func(c *count) error {
		texts, err := sent.Result()
		for _, text := range texts {
			c.note(record.Update.Unpack(text, new(fleet.Update)))
		}
		return err
	}
}

// alerts counts the alerts of a hash, some at a time.
func alerts(ctx context.Context, c redis.Cmdable, name string, n *count) error {
	for cursor := uint64(0); ; {
		fields, next, err := c.HScan(ctx, name, cursor, "[0-9a-f]*", batch).Result()
		if err != nil {
			return err
		}
		for i := 0; i+1 < len(fields); i += 2 {
			n.note(record.Alert.Unpack(fields[i+1], new(fleet.Alert)))
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// entries counts the entries of a stream, some at a time.
func entries(ctx context.Context, c redis.Cmdable, name string, n *count, read func(text string) error) error {
	for low := "-"; ; {
		entries, err := c.XRangeN(ctx, name, low, "+", batch).Result()
		if err != nil {
			return err
		}
		for _, entry := range entries {
			text, _ := entry.Values["v"].(string)
			n.note(read(text))
		}
		if len(entries) < batch {
			return nil
		}
		low = "(" + entries[len(entries)-1].ID
	}
}
