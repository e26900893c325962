#include "net/tls_clients.h"

#include "harness.h"

#define PAIRS_31                                                                                 \
    "00:01:02:03:04:05:06:07:08:09:0A:0b:0c:0d:0e:0f:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:" \
    "1e"
#define COLONS PAIRS_31 ":1f"
#define PLAIN  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1F"

static const uint8_t counted[TLS_FINGERPRINT_SIZE] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                                       11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                       22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

static struct detail detail;

static struct result parse(const char *text, struct tls_clients **out)
{
    return tls_clients_parse(text, strlen(text), out, &detail);
}

/* That the text is refused, and which line is named. */
static bool refuses(const char *text, const char *line)
{
    struct tls_clients *clients = NULL;
    struct result result = parse(text, &clients);
    bool refused =
        result.status == STATUS_BAD_INPUT && clients == NULL && strcmp(detail.text, line) == 0;
    if (!refused) {
        printf("# \"%s\" gave %s: %s\n", text, detail.text, result.what);
    }
    tls_clients_free(clients);
    return refused;
}

TEST(names_and_fingerprints_are_read_in_both_spellings)
{
    CLEANUP(tls_clients_free_ptr) struct tls_clients *clients = NULL;
    CHECK_OK(parse("# clients\n\nteku " COLONS "\r\n \t lighthouse\t" PLAIN "  \nlast " PLAIN,
                   &clients));
    CHECK(tls_clients_count(clients) == 3);
    CHECK(tls_clients_know(clients, "teku", counted));
    CHECK(tls_clients_know(clients, "lighthouse", counted));
    CHECK(tls_clients_know(clients, "last", counted));
}

TEST(only_the_pair_of_name_and_fingerprint_is_known)
{
    CLEANUP(tls_clients_free_ptr) struct tls_clients *clients = NULL;
    uint8_t other[TLS_FINGERPRINT_SIZE];
    memcpy(other, counted, sizeof(other));
    CHECK_OK(parse("teku " COLONS "\n", &clients));
    for (size_t i = 0; i < sizeof(other); i++) {
        other[i] ^= 1;
        CHECK(!tls_clients_know(clients, "teku", other));
        other[i] ^= 1;
    }
    CHECK(tls_clients_know(clients, "teku", other));
    CHECK(!tls_clients_know(clients, "tek", other));
    CHECK(!tls_clients_know(clients, "tekuu", other));
    CHECK(!tls_clients_know(clients, "Teku", other));
    CHECK(!tls_clients_know(clients, "", other));
}

TEST(a_comment_is_not_a_client)
{
    CLEANUP(tls_clients_free_ptr) struct tls_clients *clients = NULL;
    CHECK_OK(parse("#teku " COLONS "\n  # x y z\nprysm " COLONS "\n", &clients));
    CHECK(tls_clients_count(clients) == 1);
    CHECK(!tls_clients_know(clients, "#teku", counted));
}

TEST(what_is_not_a_name_and_a_fingerprint_is_refused_with_its_line)
{
    CHECK(refuses("teku\n", "line 1"));
    CHECK(refuses("teku " COLONS "\nprysm\n", "line 2"));
    CHECK(refuses("\n\nteku " PLAIN " more\n", "line 3"));
    CHECK(refuses(COLONS "\n", "line 1"));
    CHECK(refuses("teku 00\n", "line 1"));
    CHECK(refuses("teku " PLAIN "0\n", "line 1"));
    CHECK(refuses("teku " PAIRS_31 "\n", "line 1"));
    CHECK(refuses("teku " PAIRS_31 "::1\n", "line 1"));
    CHECK(refuses("teku " PAIRS_31 "-1f\n", "line 1"));
    CHECK(refuses("teku " PAIRS_31 ":1g\n", "line 1"));
    CHECK(refuses("teku 0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
                  "line 1"));
    CHECK(refuses("teku 0x:01" COLONS "\n", "line 1"));
    CHECK(refuses("te\x01ku " COLONS "\n", "line 1"));
    CHECK(refuses("t\xc3\xa9ku " COLONS "\n", "line 1"));
}

TEST(a_name_may_have_64_characters_and_not_65)
{
    char text[256];
    struct tls_clients *clients = NULL;
    snprintf(text, sizeof(text), "%064d %s\n", 7, PLAIN);
    CHECK_OK(parse(text, &clients));
    text[64] = '\0';
    CHECK(tls_clients_know(clients, text, counted));
    tls_clients_free(clients);
    snprintf(text, sizeof(text), "%065d %s\n", 7, PLAIN);
    CHECK(refuses(text, "line 1"));
}

TEST(a_file_without_clients_is_refused)
{
    CHECK(refuses("", ""));
    CHECK(refuses("\n\n", ""));
    CHECK(refuses("# nobody\n", ""));
}

TEST(a_nul_byte_does_not_end_a_name)
{
    static const char text[] = "teku\0x " PLAIN "\n";
    struct tls_clients *clients = NULL;
    CHECK_FAILS(BAD_INPUT, tls_clients_parse(text, sizeof(text) - 1, &clients, &detail));
    CHECK(clients == NULL);
}

static char *many_lines(size_t count, size_t *size_out)
{
    static const char line[] = "teku " PLAIN "\n";
    size_t size = sizeof(line) - 1;
    char *text = calloc(count, size);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * size, line, size);
    }
    *size_out = count * size;
    return text;
}

TEST(as_many_clients_as_the_limit_says_and_not_one_more)
{
    size_t size = 0;
    struct tls_clients *clients = NULL;
    CLEANUP(free_ptr) char *text = many_lines(TLS_CLIENTS_MAX + 1, &size);
    size_t line = size / (TLS_CLIENTS_MAX + 1);
    CHECK_OK(tls_clients_parse(text, size - line, &clients, &detail));
    CHECK(tls_clients_count(clients) == TLS_CLIENTS_MAX);
    tls_clients_free(clients);
    clients = NULL;
    CHECK_FAILS(LIMIT, tls_clients_parse(text, size, &clients, &detail));
}

HARNESS_TESTS(T(names_and_fingerprints_are_read_in_both_spellings),
              T(only_the_pair_of_name_and_fingerprint_is_known), T(a_comment_is_not_a_client),
              T(what_is_not_a_name_and_a_fingerprint_is_refused_with_its_line),
              T(a_name_may_have_64_characters_and_not_65), T(a_file_without_clients_is_refused),
              T(a_nul_byte_does_not_end_a_name),
              T(as_many_clients_as_the_limit_says_and_not_one_more))
