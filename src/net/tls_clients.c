#include "net/tls_clients.h"

#include "base/hex.h"

#include <string.h>

struct client {
    char name[TLS_NAME_MAX + 1];
    uint8_t fingerprint[TLS_FINGERPRINT_SIZE];
};

struct tls_clients {
    size_t count;
    struct client *items;
};

/* A part of the text. */
struct piece {
    const char *text;
    size_t size;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word from the front of `line`; an empty one when there is none. */
static struct piece take_word(struct piece *line)
{
    while (line->size > 0 && is_blank(line->text[0])) {
        line->text++;
        line->size--;
    }
    struct piece word = { line->text, 0 };
    while (line->size > 0 && !is_blank(line->text[0])) {
        line->text++;
        line->size--;
        word.size++;
    }
    return word;
}

/* Takes the next line, without its end. */
static struct piece take_line(struct piece *text)
{
    const char *end = memchr(text->text, '\n', text->size);
    size_t size = end == NULL ? text->size : (size_t)(end - text->text);
    struct piece line = { text->text, size };
    size += end != NULL;
    text->text += size;
    text->size -= size;
    return line;
}

static bool is_printable(struct piece word)
{
    for (size_t i = 0; i < word.size; i++) {
        if (word.text[i] <= ' ' || word.text[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Digits in pairs; colons stand between all pairs, or between none. */
static struct result read_fingerprint(struct piece word, uint8_t out[static TLS_FINGERPRINT_SIZE])
{
    enum { DIGITS = 2 * TLS_FINGERPRINT_SIZE, WITH_COLONS = DIGITS + TLS_FINGERPRINT_SIZE - 1 };
    char digits[DIGITS];
    ENSURE(word.size == DIGITS || word.size == WITH_COLONS, BAD_INPUT,
           "a SHA-256 fingerprint has 64 hexadecimal digits");
    size_t step = word.size == DIGITS ? 2 : 3;
    for (size_t i = 0; i < TLS_FINGERPRINT_SIZE; i++) {
        memcpy(digits + 2 * i, word.text + step * i, 2);
        bool colon = step == 2 || i + 1 == TLS_FINGERPRINT_SIZE || word.text[step * i + 2] == ':';
        ENSURE(colon, BAD_INPUT, "a fingerprint's pairs of digits are divided by colons");
    }
    struct result decoded = hex_decode(digits, sizeof(digits), out, TLS_FINGERPRINT_SIZE);
    ENSURE(is_ok(decoded) && digits[1] != 'x' && digits[1] != 'X', BAD_INPUT,
           "a SHA-256 fingerprint has 64 hexadecimal digits");
    return OK;
}

static struct result read_client(struct piece name, struct piece fingerprint, struct client *out)
{
    ENSURE(name.size <= TLS_NAME_MAX, BAD_INPUT, "a common name has at most 64 characters");
    ENSURE(is_printable(name), BAD_INPUT, "a common name is printable ASCII here");
    ENSURE(fingerprint.size > 0, BAD_INPUT, "the fingerprint behind the common name is missing");
    TRY(read_fingerprint(fingerprint, out->fingerprint));
    memcpy(out->name, name.text, name.size);
    out->name[name.size] = '\0';
    return OK;
}

static struct result read_line(struct tls_clients *clients, struct piece line)
{
    struct piece name = take_word(&line);
    struct piece fingerprint = take_word(&line);
    struct piece more = take_word(&line);
    if (name.size == 0 || name.text[0] == '#') {
        return OK;
    }
    ENSURE(more.size == 0, BAD_INPUT, "more than a common name and a fingerprint");
    ENSURE(clients->count < TLS_CLIENTS_MAX, LIMIT, "too many known clients");
    TRY(read_client(name, fingerprint, &clients->items[clients->count]));
    clients->count++;
    return OK;
}

static size_t count_lines(struct piece text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++) {
        count += text.text[i] == '\n';
    }
    return count < TLS_CLIENTS_MAX ? count : TLS_CLIENTS_MAX;
}

RESULT tls_clients_parse(const char *text, size_t size, struct tls_clients **out,
                         struct detail *detail)
{
    struct piece rest = { text, size };
    CLEANUP(tls_clients_free_ptr) struct tls_clients *clients = calloc(1, sizeof(*clients));
    ENSURE(clients != NULL, UNAVAILABLE, "out of memory");
    clients->items = calloc(count_lines(rest), sizeof(struct client));
    ENSURE(clients->items != NULL, UNAVAILABLE, "out of memory");
    for (size_t number = 1; rest.size > 0; number++) {
        detail_set(detail, "line %zu", number);
        TRY(read_line(clients, take_line(&rest)));
    }
    detail_set(detail, "%s", "");
    ENSURE(clients->count > 0, BAD_INPUT, "no client in the file, so nobody could connect");
    *out = STEAL(clients);
    return OK;
}

void tls_clients_free(struct tls_clients *clients)
{
    if (clients != NULL) {
        free(clients->items);
        free(clients);
    }
}

size_t tls_clients_count(const struct tls_clients *clients)
{
    return clients->count;
}

bool tls_clients_know(const struct tls_clients *clients, const char *name,
                      const uint8_t fingerprint[static TLS_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < clients->count; i++) {
        const struct client *client = &clients->items[i];
        if (memcmp(client->fingerprint, fingerprint, TLS_FINGERPRINT_SIZE) == 0 &&
            strcmp(client->name, name) == 0) {
            return true;
        }
    }
    return false;
}
