//go:build go1.24

package main

import "net/http"

// speakHTTP2 makes it speak HTTP/2 in clear, to clients that know.
func speakHTTP2(server *http.Server) error {
	server.Protocols = new(http.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	return nil
}
