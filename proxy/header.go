package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Limits of a header, in bytes. The first is the specification's; a header of version 2 may be
// 64 KiB long there, which no proxy comes near.
const (
	maxText   = 107
	maxBinary = 2 << 10
)

// binarySignature begins a header of version 2.
var binarySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// ErrHeader is the error of bytes that are not a header of the PROXY protocol.
var ErrHeader = errors.New("not a PROXY protocol header")

// ReadHeader reads a header of the PROXY protocol, version 1 or 2, and returns the address of
// the client (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2). It reads
// not one byte more than the header, so that r can be read in another way afterwards. The
// address is not valid where the proxy names no client: it checks the server's health, or
// does not have the client's address.
func ReadHeader(r io.Reader) (client netip.Addr, err error) {
	head := make([]byte, len(binarySignature)) // no header of either version is shorter
	if _, err := io.ReadFull(r, head); err != nil {
		return client, err
	}
	switch {
	case bytes.Equal(head, binarySignature):
		return readBinary(r)
	case bytes.HasPrefix(head, []byte("PROXY ")):
		return readText(r, head)
	}
	return client, ErrHeader
}

// readText reads the rest of a header of version 1: "PROXY TCP4 198.51.100.1 192.0.2.1 40000 1883\r\n".
func readText(r io.Reader, line []byte) (client netip.Addr, err error) {
	for line[len(line)-1] != '\n' {
		if len(line) == maxText {
			return client, fmt.Errorf("%w: its line is too long", ErrHeader)
		}
		line = append(line, 0)
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return client, err
		}
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	fields := strings.Split(text, " ")
	if ok && fields[1] == "UNKNOWN" {
		return client, nil
	}
	if !ok || len(fields) != 6 || fields[1] != "TCP4" && fields[1] != "TCP6" {
		return client, fmt.Errorf("%w: %.40q", ErrHeader, line)
	}
	client, err = netip.ParseAddr(fields[2])
	server, err2 := netip.ParseAddr(fields[3])
	_, err3 := strconv.ParseUint(fields[4], 10, 16)
	_, err4 := strconv.ParseUint(fields[5], 10, 16)
	v6 := fields[1] == "TCP6"
	if errors.Join(err, err2, err3, err4) != nil || client.Is6() != v6 || server.Is6() != v6 || client.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: %.40q", ErrHeader, line)
	}
	return client.Unmap(), nil
}

// Commands of version 2, in the low half of a byte whose high half is the version.
const (
	versionLocal = 0x20
	versionProxy = 0x21
)

// Families of version 2, in the high half of a byte; the low half is the transport.
const (
	familyIPv4 = 1
	familyIPv6 = 2
)

// readBinary reads the rest of a header of version 2. It skips what follows the addresses.
func readBinary(r io.Reader) (client netip.Addr, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return client, err
	}
	command, family, size := head[0], head[1]>>4, int(binary.BigEndian.Uint16(head[2:]))
	if command != versionLocal && command != versionProxy || size > maxBinary {
		return client, fmt.Errorf("%w: command %#x of %d bytes", ErrHeader, command, size)
	}
	rest := make([]byte, size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return client, err
	}
	addresses := map[byte]int{familyIPv4: 4, familyIPv6: 16}[family]
	switch {
	case command == versionLocal, addresses == 0:
		return client, nil
	case size < 2*addresses+4: // two addresses and two ports
		return client, fmt.Errorf("%w: %d bytes of addresses", ErrHeader, size)
	}
	client, _ = netip.AddrFromSlice(rest[:addresses]) // it has the length of one
	return client.Unmap(), nil
}
