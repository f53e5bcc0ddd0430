// Bento with the components that one pipeline from Kafka to HTTP needs, and nothing else: the whole of it takes many
// minutes to build. Its command line is Bento's own: bento -c PIPELINE.
package main

import (
	"context"

	"github.com/warpstreamlabs/bento/public/service"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/kafka"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
)

func main() {
	service.RunCLI(context.Background())
}
