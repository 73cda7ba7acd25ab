package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/muster-iot/muster/store/lockfile"
	"github.com/muster-iot/muster/store/spool"
)

// folder is what this server holds of its data folder.
type folder struct {
	lock      *os.File
	fences    *spool.Spool   // journal entries that must not be resumed; nil when ephemeral
	unaudited *spool.Spool   // audit entries that the store has not taken; nil when ephemeral
	begun     *spool.Slots   // changes that are being made; nil when ephemeral
	left      map[int]string // of begun, by an earlier process
	temporary string         // removed at the end, "" for none
	ready     bool           // the ready file exists
}

// takeFolder locks the data folder for this server. An ephemeral server uses a temporary
// folder instead: it must not touch the images of a fleet that is kept.
func (c *Cloud) takeFolder(ctx context.Context) error {
	var err error
	if c.config.Redis.Ephemeral {
		if c.config.Data, err = os.MkdirTemp("", "muster-"); err != nil {
			return err
		}
		c.folder.temporary = c.config.Data
	}
	if c.folder.lock, err = lockfile.Acquire(ctx, c.config.Data, c.log); err != nil {
		return err
	}
	return c.unready() // an earlier server's addresses are stale
}

// leaveFolder undoes takeFolder, as far as that has come.
func (c *Cloud) leaveFolder() error {
	var errs []error
	if c.folder.ready {
		errs = append(errs, c.unready())
	}
	errs = append(errs, c.folder.closeSpools())
	if c.folder.lock != nil {
		errs = append(errs, c.folder.lock.Close())
	}
	if c.folder.temporary != "" {
		errs = append(errs, os.RemoveAll(c.folder.temporary))
	}
	return errors.Join(errs...)
}

// ready logs the addresses and writes them to the ready file.
func (c *Cloud) ready() error {
	a := c.addresses
	c.log.Info("ready", "mqtt", a.MQTT, "mqtts", a.MQTTS, "http", a.HTTP, "websocket", a.WebSocket, "console", a.console())
	if c.config.ReadyFile == "" {
		return nil
	}
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	part := c.config.ReadyFile + ".part" // a reader must not see half of it
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	c.folder.ready = true
	return os.Rename(part, c.config.ReadyFile)
}

// unready removes the ready file. It fails when there is no folder for it.
func (c *Cloud) unready() error {
	if c.config.ReadyFile == "" {
		return nil
	}
	if err := os.Remove(c.config.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("ready file: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(c.config.ReadyFile)); err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	return nil
}
