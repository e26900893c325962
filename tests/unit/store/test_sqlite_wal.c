#include "store/sqlite_wal.h"

#include "sqlite_test.h"

enum { VOTES = 12, FRAME = 24 + 4096, COPY_MAX = 1024 * 1024 };

/* What a crash left of a database and its -wal: VOTES transactions, one a vote. */
static uint8_t file[COPY_MAX];
static uint8_t wal[COPY_MAX];
static size_t file_size;
static size_t wal_size;

static size_t load(const char *path, uint8_t *out)
{
    CLEANUP(file_close_ptr) FILE *stream = fopen(path, "r");
    return stream == NULL ? 0 : fread(out, 1, COPY_MAX, stream);
}

static bool save(const char *path, const uint8_t *bytes, size_t size)
{
    CLEANUP(file_close_ptr) FILE *stream = fopen(path, "w");
    return stream != NULL && fwrite(bytes, 1, size, stream) == size;
}

static bool make_crash(void)
{
    struct slashing_store *store = fresh_store();
    bool made = store != NULL;
    for (uint64_t epoch = 1; made && epoch <= VOTES; epoch++) {
        made = decide_vote(store, 1, epoch - 1, epoch, epoch) == VERDICT_NEW;
    }
    abandon(store);
    file_size = load(database_path(), file);
    wal_size = load(wal_path(), wal);
    return made && file_size > 0 && wal_size > VOTES * FRAME;
}

/* Puts the crash's files back, of the -wal so much. */
static bool put_back(size_t size)
{
    return save(database_path(), file, file_size) && save(wal_path(), wal, size);
}

/* Whether the database opens with one bit of its -wal turned over; which is right again then. */
static bool opens_with_flip(size_t at, const struct expectation *wanted)
{
    wal[at] ^= 0x20;
    bool as_wanted = put_back(wal_size) && opens_with(wanted);
    wal[at] ^= 0x20;
    if (!as_wanted) {
        printf("# at byte %zu of %zu\n", at, wal_size);
    }
    return as_wanted;
}

static const struct expectation refused = { STATUS_UNAVAILABLE, "-wal" };
static const struct expectation passes = { STATUS_OK, NULL };

TEST(a_wal_as_a_crash_left_it_passes)
{
    CHECK(make_crash());
    CHECK(opens_with(&passes));
    CHECK(make_crash() && put_back(wal_size));
    STORE *store = NULL;
    CHECK_OK(open_database(&store, NULL));
    CHECK(decide_vote(store, 1, VOTES - 1, VOTES, 77) == VERDICT_DOUBLE_VOTE);
}

TEST(a_bit_that_turned_over_is_noticed_where_more_follows)
{
    CHECK(make_crash());
    for (size_t at = 0; at < 4; at++) { /* the magic number */
        CHECK(opens_with_flip(at, &refused));
    }
    for (size_t at = 32; at < VOTES * FRAME; at += 511) {
        CHECK(opens_with_flip(at, &refused));
    }
    for (size_t at = 32 + FRAME; at < 32 + FRAME + 24; at++) {
        CHECK(opens_with_flip(at, &refused));
    }
}

TEST(the_last_transaction_may_be_torn)
{
    CHECK(make_crash());
    size_t used = wal_size;
    while (memcmp(wal + used - FRAME + 8, wal + 16, 8) != 0) { /* of an earlier use of the file */
        used -= FRAME;
    }
    for (size_t back = 1; back <= FRAME; back += 257) {
        CHECK(opens_with_flip(used - back, &passes));
    }
    for (size_t back = 0; back <= FRAME; back += 1031) {
        CHECK(put_back(used - back) && opens_with(&passes));
    }
}

TEST(a_file_that_is_no_wal_is_refused)
{
    static const uint8_t nothing[2 * FRAME];
    CHECK(make_crash());
    CHECK(save(database_path(), file, file_size) && save(wal_path(), nothing, sizeof(nothing)));
    CHECK(opens_with(&refused));
    CHECK(put_back(31));
    CHECK(opens_with(&refused));
    CHECK(save(wal_path(), file, file_size));
    CHECK(opens_with(&refused));
}

TEST(a_loss_can_be_accepted)
{
    CHECK(make_crash());
    wal[40] ^= 1;
    CHECK(put_back(wal_size) && opens_with(&refused));
    struct detail detail = { "" };
    CHECK_OK(sqlite_store_accept_loss(database_path(), &test_network, &detail));
    CHECK(opens_with(&passes));
}

HARNESS_TESTS(T(a_wal_as_a_crash_left_it_passes),
              T(a_bit_that_turned_over_is_noticed_where_more_follows),
              T(the_last_transaction_may_be_torn), T(a_file_that_is_no_wal_is_refused),
              T(a_loss_can_be_accepted))
