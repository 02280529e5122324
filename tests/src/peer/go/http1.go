//go:build !go1.24

package main

import (
	"errors"
	"net/http"
)

func speakHTTP2(*http.Server) error {
	return errors.New("HTTP/2 in clear needs Go 1.24")
}
