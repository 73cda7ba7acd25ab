package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"
)

// What follows a header belongs to the connection.
const follows = "\x10MQTT"

func TestHeadersOfBothVersionsNameTheClient(t *testing.T) {
	for _, client := range []string{"198.51.100.7", "2001:db8::7"} {
		for version := byte(1); version <= 2; version++ {
			from := &net.TCPAddr{IP: net.ParseIP(client), Port: 40000}
			to := &net.TCPAddr{IP: net.ParseIP(map[bool]string{true: "2001:db8::1", false: "192.0.2.1"}[strings.Contains(client, ":")]), Port: 1883}
			header := proxyproto.HeaderProxyFromAddrs(version, from, to) // another implementation's
			if version == 2 {
				if err := header.SetTLVs([]proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte("mqtt.example.com")}}); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := header.Format()
			if err != nil {
				t.Fatal(err)
			}
			r := strings.NewReader(string(raw) + follows)
			got, err := ReadHeader(r)
			if err != nil || got.String() != client {
				t.Errorf("version %d: got %s, %v, want %s", version, got, err, client)
			}
			if rest, _ := io.ReadAll(r); string(rest) != follows {
				t.Errorf("version %d: %q is left, want %q", version, rest, follows)
			}
		}
	}
}

func TestOtherHeaders(t *testing.T) {
	v2 := func(command, family byte, size int, rest string) string {
		return string(binarySignature) + string([]byte{command, family, byte(size >> 8), byte(size)}) + rest
	}
	for _, row := range []struct {
		name, header string
		want         error // nil: read, without a client
	}{
		{"the proxy does not know the client", "PROXY UNKNOWN\r\n", nil},
		{"not even its family", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", nil},
		{"a check of health", v2(versionLocal, 0, 0, ""), nil},
		{"a Unix socket", v2(versionProxy, 0x31, 216, strings.Repeat("x", 216)), nil},
		{"MQTT", "\x10\x1a\x00\x04MQTT\x04\x02\x00\x00\x00\x00\x00\x00", ErrHeader},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00", ErrHeader},
		{"another family", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", ErrHeader},
		{"an address of the other family", "PROXY TCP4 ::1 ::2 1 2\r\n", ErrHeader},
		{"no address", "PROXY TCP4 a.b.c.d 192.0.2.2 1 2\r\n", ErrHeader},
		{"no port", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", ErrHeader},
		{"a port too large", "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", ErrHeader},
		{"a line without CR", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", ErrHeader},
		{"a line without end", "PROXY TCP4 " + strings.Repeat("1", 200), ErrHeader},
		{"half a line", "PROXY TCP4 192.0.2.1", io.EOF},
		{"another version", v2(0x11, 0x11, 12, strings.Repeat("x", 12)), ErrHeader},
		{"another command", v2(0x22, 0x11, 12, strings.Repeat("x", 12)), ErrHeader},
		{"half an address", v2(versionProxy, 0x11, 8, "12345678"), ErrHeader},
		{"longer than any", v2(versionProxy, 0x11, maxBinary+1, strings.Repeat("x", maxBinary+1)), ErrHeader},
		{"half of version 2", v2(versionProxy, 0x11, 12, "1234"), io.ErrUnexpectedEOF},
		{"nothing", "", io.EOF},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := ReadHeader(strings.NewReader(row.header))
			if !errors.Is(err, row.want) || got.IsValid() {
				t.Errorf("got %s, %v, want %v and no client", got, err, row.want)
			}
		})
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 198.51.100.7 192.0.2.1 40000 1883\r\n"))
	f.Add(append(bytes.Clone(binarySignature), versionProxy, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		client, err := ReadHeader(r)
		if read := len(data) - r.Len(); read > len(binarySignature)+4+maxBinary {
			t.Errorf("read %d bytes", read)
		}
		if err != nil && client.IsValid() {
			t.Errorf("got client %s and %v", client, err)
		}
	})
}
