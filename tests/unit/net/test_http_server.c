#include "harness.h"
#include "net/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

static void hello(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct http_response response = http_text(200, CONTENT_TYPE_TEXT, "hello");
    http_respond(exchange, &response);
}

TEST(answers)
{
    struct http_server *server = NULL;
    struct http_server_settings settings = { .loops = 1,
                                             .connections_max = 100,
                                             .body_max = 1000000,
                                             .body_memory_max = 10000000,
                                             .idle_timeout_s = 10,
                                             .request_timeout_s = 10,
                                             .write_timeout_s = 10 };
    CHECK_OK(http_server_new(&settings, &server));
    uint16_t port = 18085;
    CHECK_OK(http_server_listen(server, "127.0.0.1", port, hello, NULL, &port, NULL));
    CHECK_OK(http_server_start(server));
    printf("# port %u\n", port);
    sleep(getenv("SLEEP") ? atoi(getenv("SLEEP")) : 0);
    http_server_drain(server, 1);
    http_server_free(server);
}

HARNESS_TESTS(T(answers))
