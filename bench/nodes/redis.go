package nodes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/muster-iot/muster/bench/process"
)

// redis is the Redis of a setup: one server, or those of a Cluster.
type redis struct {
	url       string   // --redis; "": Muster starts it
	network   string   // of the addresses
	addresses []string // of its processes
}

// startRedis starts a redis-server that stores as the one that Muster starts.
func (l *lab) startRedis(ctx context.Context, name string) (redis, error) {
	address, err := process.FreeAddress()
	if err != nil {
		return redis{}, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return redis{}, err
	}
	folder := filepath.Join(l.Folder, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return redis{}, err
	}
	p, err := process.Start(name, folder+".log", nil, "redis-server", append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", ""}, likeOwn...)...)
	if err != nil {
		return redis{}, err
	}
	l.atEnd(p.Stop)
	r := redis{url: "redis://" + address + "/0", network: "tcp", addresses: []string{address}}
	return r, process.Poll(ctx, 20*time.Second, name, func() (bool, error) {
		_, err := r.info()
		return err == nil, p.Alive()
	})
}

// likeOwn is what Muster configures for the redis-server that it starts.
var likeOwn = []string{"--appendonly", "yes", "--appendfsync", "always", "--hash-max-listpack-value", "512"}

// info is the sums of the numbers that INFO has, over all processes, and their process ids.
type info struct {
	numbers map[string]float64
	pids    []int
}

func (r redis) info() (all info, err error) {
	all.numbers = map[string]float64{}
	for _, address := range r.addresses {
		conn, err := net.DialTimeout(r.network, address, 5*time.Second)
		if err != nil {
			return all, err
		}
		err = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if err == nil {
			_, err = io.WriteString(conn, "INFO\r\n")
		}
		var text []byte
		if err == nil {
			text, err = readBulk(bufio.NewReader(conn))
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			return all, fmt.Errorf("INFO of %s: %w", address, err)
		}
		all.add(text)
	}
	return all, nil
}

// readBulk reads an answer that is one bulk string.
func readBulk(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	size, found := strings.CutPrefix(strings.TrimSpace(line), "$")
	n, err := strconv.Atoi(size)
	if !found || err != nil || n < 0 {
		return nil, fmt.Errorf("unexpected answer %q", line)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return text, err
}

// add adds the numbers of one answer to INFO.
func (i *info) add(text []byte) {
	for line := range bytes.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		i.numbers[name] += n
		if name == "process_id" {
			i.pids = append(i.pids, int(n))
		}
	}
}
