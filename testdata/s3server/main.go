// Command s3server is an S3 server for tests, Versity's gateway over a folder: s3server FOLDER.
// The folders in it are the buckets. It prints its address, and takes its keys from the
// environment. It is a module of its own, so that none of what it needs is needed by Muster.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	sidecar := filepath.Join(filepath.Dir(folder), "metadata-of-"+filepath.Base(folder)) // not every file system has extended attributes
	if err := os.MkdirAll(sidecar, 0o700); err != nil {
		return err
	}
	kept, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	files, err := posix.New(folder, kept, posix.PosixOpts{SideCarDir: sidecar})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	fmt.Println("http://" + address)
	return embedgw.RunVersityGW(ctx, files, &embedgw.Config{
		RootUserAccess: os.Getenv("AWS_ACCESS_KEY_ID"), RootUserSecret: os.Getenv("AWS_SECRET_ACCESS_KEY"),
		Region: "us-east-1", Ports: []string{address}, MaxConnections: 1000, MaxRequests: 500, MultipartMaxParts: 10_000, Quiet: true,
	})
}
