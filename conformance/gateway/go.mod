// The version of the outside suite. Its own go.mod and go.sum pin what it is built from.
module kubelt.example/conformance/gateway

go 1.25

require github.com/ipfs/gateway-conformance v0.13.2
