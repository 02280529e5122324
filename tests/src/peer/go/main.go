// Go's net/http as a test peer: peer server PORT LOG, peer http2 PORT LOG, peer client PLACE PLAN CONNECTIONS keep|close.
//
// With CERTIFICATE and KEY behind them the servers speak TLS; with EAVES_TLS=1 the client does, and with
// EAVES_HTTP2=1 HTTP/2 in it.
//
// Listener and dialled connections are MPTCP sockets where the kernel has them, as Go's own
// listeners are from 1.24 on; made by hand, so that an older Go does the same.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const protocolMPTCP = 262

func body(size int) []byte {
	var all bytes.Buffer
	for all.Len() < size {
		fmt.Fprintf(&all, "%8d bytes, at %8d\n", size, all.Len())
	}
	return all.Bytes()[:size]
}

// socket gives an MPTCP socket, or a TCP one if the kernel has none.
func socket() (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, protocolMPTCP)
	if err != nil {
		return syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	}
	return fd, nil
}

func listen(port int) (net.Listener, error) {
	fd, err := socket()
	if err != nil {
		return nil, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, 1024); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return net.FileListener(file)
}

func dial(_ context.Context, _, address string) (net.Conn, error) {
	port, err := strconv.Atoi(address[strings.LastIndexByte(address, ':')+1:])
	if err != nil {
		return nil, err
	}
	fd, err := socket()
	if err != nil {
		return nil, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close()
	return net.FileConn(file)
}

type logged struct {
	http.ResponseWriter
	status int
	sent   int
}

func (l *logged) WriteHeader(status int) {
	l.status = status
	l.ResponseWriter.WriteHeader(status)
}

func (l *logged) Write(content []byte) (int, error) {
	n, err := l.ResponseWriter.Write(content)
	l.sent += n
	return n, err
}

func answer(w *logged, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if id := r.URL.Query().Get("id"); id != "" {
		w.Header().Set("x-id", id)
	}
	w.Header().Set("Content-Type", "text/plain")
	path := strings.Split(r.URL.Path, "/")
	number := 0
	if len(path) > 2 {
		number, _ = strconv.Atoi(path[2])
	}
	status, content, chunked := 200, []byte("taken\n"), false
	switch {
	case r.Header.Get("If-None-Match") != "":
		w.WriteHeader(304)
		return
	case path[1] == "size":
		content = body(number)
	case path[1] == "chunked":
		content, chunked = body(number), true
	case path[1] == "status":
		status, content = number, []byte("by order\n")
	case path[1] != "take":
		status, content = 404, []byte("nothing here\n")
	}
	if status == 204 {
		w.WriteHeader(status)
		return
	}
	if !chunked {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	}
	w.WriteHeader(status)
	if r.Method == "HEAD" {
		return
	}
	for len(content) > 0 {
		size := 6000
		if !chunked || size > len(content) {
			size = len(content)
		}
		w.Write(content[:size])
		if chunked {
			w.ResponseWriter.(http.Flusher).Flush()
		}
		content = content[size:]
	}
	if chunked {
		w.ResponseWriter.(http.Flusher).Flush()
	}
}

func serve(port, logName string, http2 bool, pair []string) error {
	log, err := os.OpenFile(logName, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	listener, err := listen(number)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := &logged{ResponseWriter: w}
		answer(l, r)
		from := r.RemoteAddr[strings.LastIndexByte(r.RemoteAddr, ':')+1:]
		fmt.Fprintf(log, "%s\t%s\t%d\t%d\t%s\n", r.Method, r.RequestURI, l.status, l.sent, from)
	})}
	if len(pair) == 2 {
		if !http2 {
			server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		return server.ServeTLS(listener, pair[0], pair[1])
	}
	if http2 {
		if err := speakHTTP2(server); err != nil {
			return err
		}
	}
	return server.Serve(listener)
}

func scheme() string {
	if os.Getenv("EAVES_TLS") == "1" {
		return "https://"
	}
	return "http://"
}

func ask(client *http.Client, place, line string, keep bool) error {
	fields := strings.Split(line, "\t")
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return err
	}
	var content io.Reader
	if size > 0 {
		content = bytes.NewReader(body(size))
		if fields[3] == "1" {
			content = io.MultiReader(content) // of unknown length: goes chunked
		}
	}
	request, err := http.NewRequest(fields[0], scheme()+place+fields[1], content)
	if err != nil {
		return err
	}
	if size > 0 && request.GetBody == nil {
		// Another request may have closed the connection meanwhile: over HTTP/2 it is asked again.
		request.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(body(size)))), nil
		}
	}
	request.Close = !keep
	if fields[4] == "1" {
		request.Header.Set("If-None-Match", "*")
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func load(place, plan, connections string, keep bool) error {
	count, err := strconv.Atoi(connections)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: count, MaxConnsPerHost: count, DisableKeepAlives: !keep}
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	transport.ForceAttemptHTTP2 = os.Getenv("EAVES_HTTP2") == "1"
	if strings.HasPrefix(place, "unix:") {
		path := place[5:]
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		place = "localhost"
	}
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	file, err := os.Open(plan)
	if err != nil {
		return err
	}
	wants := make(chan string)
	var failed error
	var once sync.Once
	var all sync.WaitGroup
	for i := 0; i < count; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for want := range wants {
				if err := ask(client, place, want, keep); err != nil {
					once.Do(func() { failed = err })
				}
			}
		}()
	}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		wants <- lines.Text()
	}
	close(wants)
	all.Wait()
	transport.CloseIdleConnections()
	return failed
}

func main() {
	var err error
	if os.Args[1] == "server" || os.Args[1] == "http2" {
		err = serve(os.Args[2], os.Args[3], os.Args[1] == "http2", os.Args[4:])
	} else {
		err = load(os.Args[2], os.Args[3], os.Args[4], os.Args[5] == "keep")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
