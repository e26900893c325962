/* bootstrap_peer.c: the enclave's end of the bootstrap protocol over a UNIX socket, beside a real
 * parent: `bootstrap_peer PATH`. It runs under the server's filter of system calls, but where a
 * sanitizer needs more. Tells on stdout, a line each, in hexadecimal where it came from the parent:
 * "configuration …", "credentials …", "shutdown …". Takes from stdin: "log TEXT" and "health N". It
 * ends with stdin. */
#include "base/cleanup.h"
#include "base/hex.h"
#include "enclave/bootstrap_client.h"
#include "enclave/syscall_filter.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LOG_RATE = 1 << 20, LINE_MAX_SIZE = 64 * 1024, LOOK_MS = 5 };

static int connect_to(void *context)
{
    const char *path = context;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    CLEANUP(fd_close_ptr) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return -1;
    }
    int connected = fd;
    fd = -1;
    return connected;
}

static void tell(const char *what, const void *bytes, size_t size)
{
    static char text[HEX_TEXT_SIZE(BOOTSTRAP_CONFIGURATION_MAX)];
    hex_encode(bytes, size, text);
    printf("%s %s\n", what, text);
    fflush(stdout);
}

static void on_shutdown(void *context, const char *reason)
{
    (void)context;
    printf("shutdown %s\n", reason);
    fflush(stdout);
}

static void tell_credentials(struct bootstrap_client *client)
{
    static uint64_t told;
    SECRET_BLOCK credentials = { 0 };
    uint64_t came = bootstrap_client_counts(client).credentials;
    if (came > told && is_ok(bootstrap_client_credentials(client, &credentials))) {
        told = came;
        tell("credentials", credentials.data, credentials.size);
    }
}

static void obey(struct bootstrap_client *client, const char *line, int log_fd)
{
    unsigned health = 0;
    if (strncmp(line, "log ", 4) == 0) {
        (void)!write(log_fd, line + 4, strlen(line + 4));
    } else if (sscanf(line, "health %u", &health) == 1 && health < BOOTSTRAP_HEALTHS) {
        bootstrap_client_health(client, (enum bootstrap_health)health);
    }
}

static bool serve(struct bootstrap_client *client, int log_fd)
{
    static char line[LINE_MAX_SIZE];
    SECRET_BLOCK configuration = { 0 };
    struct detail detail = { "" };
    struct result got = bootstrap_client_configuration(client, 60, &configuration, &detail);
    if (!is_ok(got)) {
        fprintf(stderr, "%s: %s\n", detail.text, got.what);
        return false;
    }
    tell("configuration", configuration.data, configuration.size);
    for (;;) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        tell_credentials(client);
        if (poll(&input, 1, LOOK_MS) <= 0) {
            continue;
        }
        if (fgets(line, sizeof(line), stdin) == NULL) {
            return true;
        }
        obey(client, line, log_fd);
    }
}

static bool confine(void)
{
#ifdef CONFINED
    struct detail detail = { "" };
    struct result result = syscall_filter_apply(&detail);
    if (!is_ok(result)) {
        fprintf(stderr, "%s: %s\n", detail.text, result.what);
    }
    return is_ok(result);
#else
    return true;
#endif
}

int main(int count, char **arguments)
{
    int log[2];
    setvbuf(stdin, NULL, _IONBF, 0); /* so that poll() sees all that was not read */
    if (count != 2 || pipe2(log, O_CLOEXEC) != 0 || !confine()) {
        return 2;
    }
    const struct bootstrap_client_settings settings = {
        .connect = connect_to,
        .context = arguments[1],
        .log_fd = log[0],
        .log_bytes_per_second = LOG_RATE,
        .on_shutdown = on_shutdown,
    };
    struct bootstrap_client *client = NULL;
    if (!is_ok(bootstrap_client_new(&settings, &client))) {
        return 2;
    }
    bool served = serve(client, log[1]);
    bootstrap_client_free(client);
    close(log[1]);
    return served ? 0 : 1;
}
