//go:build tools

// Package tools keeps the server program in this module's list, so that its version is pinned.
package tools

import _ "github.com/influxdata/influxdb/v2/cmd/influxd"
