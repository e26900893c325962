#include "base/cleanup.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_locked(void)
{
    if (pthread_mutex_trylock(&mutex) != 0) {
        return true;
    }
    pthread_mutex_unlock(&mutex);
    return false;
}

static bool lock_and_return_early(void)
{
    LOCK_SCOPE(&mutex);
    if (is_locked()) {
        return true;
    }
    return false;
}

TEST(a_lock_lasts_as_long_as_its_scope)
{
    CHECK(lock_and_return_early());
    CHECK(!is_locked());
    for (size_t i = 0; i < 2; i++) {
        LOCK_SCOPE(&mutex);
        CHECK(is_locked());
        if (i == 0) {
            continue;
        }
    }
    CHECK(!is_locked());
}

TEST(two_locks_fit_into_one_scope)
{
    pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
    {
        LOCK_SCOPE(&mutex);
        LOCK_SCOPE(&other);
        CHECK(is_locked());
        CHECK(pthread_mutex_trylock(&other) == EBUSY);
    }
    CHECK(!is_locked());
    CHECK(pthread_mutex_trylock(&other) == 0);
    pthread_mutex_unlock(&other);
}

static int open_files(int *fd_out, FILE **file_out)
{
    CLEANUP(fd_close_ptr) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP(fd_close_ptr) int none = -1;
    CLEANUP(file_close_ptr) FILE *file = fopen("/dev/null", "re");
    CLEANUP(file_close_ptr) FILE *nothing = NULL;
    *fd_out = fd;
    *file_out = file;
    int file_fd = file == NULL ? -1 : fileno(file);
    errno = EILSEQ;
    return nothing == NULL && none < 0 ? file_fd : -1;
}

TEST(files_are_closed_and_errno_stays)
{
    int fd = -1;
    FILE *file = NULL;
    int file_fd = open_files(&fd, &file);
    CHECK(errno == EILSEQ);
    CHECK(fd >= 0 && file != NULL && file_fd >= 0);
    CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
    CHECK(fcntl(file_fd, F_GETFD) == -1 && errno == EBADF);
}

struct thing {
    int released;
};

static void thing_release(struct thing *thing)
{
    if (thing != NULL) {
        thing->released++;
    }
}
DEFINE_CLEANUP(struct thing, thing_release);

static struct thing *keep_or_give(struct thing *thing, bool give)
{
    CLEANUP(thing_release_ptr) struct thing *owned = thing;
    if (give) {
        return STEAL(owned);
    }
    return NULL;
}

TEST(what_is_stolen_is_not_released)
{
    struct thing thing = { 0 };
    CHECK(keep_or_give(&thing, true) == &thing);
    CHECK(thing.released == 0);
    CHECK(keep_or_give(&thing, false) == NULL);
    CHECK(thing.released == 1);
    CHECK(keep_or_give(NULL, false) == NULL);
}

static int open_and_steal(void)
{
    CLEANUP(fd_close_ptr) int fd = dup(STDOUT_FILENO);
    return fd_steal(&fd);
}

TEST(a_descriptor_that_is_stolen_stays_open)
{
    int fd = open_and_steal();
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) >= 0);
    CHECK(fd_steal(&fd) >= 0 && fd == -1);
}

HARNESS_TESTS(T(a_lock_lasts_as_long_as_its_scope), T(two_locks_fit_into_one_scope),
              T(files_are_closed_and_errno_stays), T(what_is_stolen_is_not_released),
              T(a_descriptor_that_is_stolen_stays_open))
