#define _GNU_SOURCE
#include "parent/credentials.h"

#include "base/file.h"
#include "enclave/bootstrap.h"
#include "harness.h"

#include <unistd.h>

struct place {
    char folder[64];
    char path[96];
};

static void place_done(struct place *place)
{
    unlink(place->path);
    rmdir(place->folder);
}

static void new_place(struct place *place)
{
    *place = (struct place){ .folder = "/tmp/chamber-credentials-XXXXXX" };
    if (mkdtemp(place->folder) == NULL) {
        abort();
    }
    snprintf(place->path, sizeof(place->path), "%s/c.json", place->folder);
}

#define PLACE CLEANUP(place_done) struct place

static struct result get_text(const struct place *place, const char *text, size_t size,
                              struct secret_block *out, struct detail *detail)
{
    struct credentials_source source = credentials_file(place->path);
    TRY(file_write(place->path, text, size, detail));
    return source.get(&source, out, detail);
}

TEST(none_gives_nothing)
{
    struct credentials_source source = credentials_none();
    SECRET_BLOCK out = { 0 };
    CHECK_OK(source.get(&source, &out, NULL));
    CHECK(out.size == 0);
}

TEST(a_file_is_given_as_it_is_now)
{
    PLACE place;
    new_place(&place);
    struct detail detail;
    static const char *const texts[] = { "{}", "{\"AccessKeyId\": \"a\"}\n" };
    for (size_t i = 0; i < 2; i++) {
        SECRET_BLOCK out = { 0 };
        CHECK_OK(get_text(&place, texts[i], strlen(texts[i]), &out, &detail));
        CHECK_TEXT((const char *)out.data, texts[i]);
    }
}

TEST(what_is_no_json_object_is_refused_without_a_word_of_it)
{
    PLACE place;
    new_place(&place);
    static const char *const texts[] = { "",           "SECRET",       "[\"SECRET\"]",
                                         "\"SECRET\"", "{\"SECRET\":", "{\"SECRET\":1}{}" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        SECRET_BLOCK out = { 0 };
        struct detail detail;
        CHECK_FAILS(BAD_INPUT, get_text(&place, texts[i], strlen(texts[i]), &out, &detail));
        CHECK(out.size == 0 && strstr(detail.text, "SECRET") == NULL);
        CHECK_TEXT(detail.text, place.path);
    }
}

TEST(the_length_is_bounded_and_the_file_must_be_there)
{
    PLACE place;
    new_place(&place);
    SECRET_BLOCK out = { 0 };
    struct detail detail;
    struct credentials_source source = credentials_file(place.path);
    CHECK_FAILS(NOT_FOUND, source.get(&source, &out, &detail));
    char text[BOOTSTRAP_CREDENTIALS_MAX + 1];
    memset(text, ' ', sizeof(text));
    text[0] = '{';
    text[1] = '}';
    CHECK_FAILS(LIMIT, get_text(&place, text, sizeof(text), &out, &detail));
    CHECK_OK(get_text(&place, text, sizeof(text) - 1, &out, &detail));
    CHECK(out.size == BOOTSTRAP_CREDENTIALS_MAX);
}

HARNESS_TESTS(T(none_gives_nothing), T(a_file_is_given_as_it_is_now),
              T(what_is_no_json_object_is_refused_without_a_word_of_it),
              T(the_length_is_bounded_and_the_file_must_be_there))
