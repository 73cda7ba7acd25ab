package configs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxFile bounds a configuration file, in bytes.
const MaxFile = 32 << 10

// Sources is what Load reads in addition to the defaults; later fields win.
type Sources struct {
	File  string   // path of a YAML file; "" for none
	Env   []string // NAME=value, as os.Environ returns it
	Flags []Flag   // those on the command line

	// Check applies the rules of other packages to the result; nil for none.
	Check func(Config) error
}

// Flag is one flag given on the command line.
type Flag struct {
	Name  string // as typed, for errors: "--mqtt"
	Key   string // what it sets: "mqtt.addr"
	Value string
}

// Load reads all layers and validates the result. Its error has one line per mistake, with the
// line of the file, the variable or the flag; it contains no secret.
func Load(s Sources) (Config, error) {
	c := Default()
	err := errors.Join(c.readFile(s.File), c.readEnv(s.Env), c.readFlags(s.Flags))
	if c.Node.Role == RoleOperators && c.MQTT.Addr == Default().MQTT.Addr {
		c.MQTT.Addr = ""
	}
	if err == nil {
		err = c.Validate()
		if s.Check != nil {
			err = errors.Join(err, s.Check(c))
		}
	}
	return c, err
}

func (c *Config) readFile(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return err
	}
	if len(data) > MaxFile {
		return fmt.Errorf("%s: over %s: not a configuration of Muster", path, Size(MaxFile))
	}
	return c.read(path, data)
}

// readEnv reads the variables that begin with MUSTER_ and name a key. It ignores other names,
// because platforms set some (MUSTER_SERVICE_HOST, for a service named muster), but reports
// a name that is an edit or two from a key as a mistake.
func (c *Config) readEnv(env []string) error {
	keys := map[string]value{}
	var names []string
	for _, k := range c.keys() {
		keys[k.env()] = k.value
		names = append(names, k.env())
	}
	var errs []error
	for _, entry := range env {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		v, known := keys[name]
		if !known {
			if near := nearest(name, names, 2); near != "" {
				errs = append(errs, fmt.Errorf("environment: unknown variable %s, did you mean %s?", name, near))
			}
			continue
		}
		if err := v.Set(text); err != nil {
			errs = append(errs, fmt.Errorf("environment: %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) readFlags(flags []Flag) error {
	keys := map[string]value{}
	for _, k := range c.keys() {
		keys[k.name] = k.value
	}
	var errs []error
	for _, f := range flags {
		v, known := keys[f.Key]
		if !known {
			panic("configs: flag " + f.Name + " sets the unknown key " + f.Key)
		}
		if err := v.Set(f.Value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, err))
		}
	}
	return errors.Join(errs...)
}
