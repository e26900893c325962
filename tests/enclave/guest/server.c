/* server.c: a server for chamber-enclave that shows what a server can and cannot do in there. What
 * it does is the one word of the file /deed of its image; it says what it sees on the console, one
 * "guest: name value" a line, and ends with "guest: end". */
#include "app/enclave_server.h"
#include "enclave/boot.h"
#include "enclave/nsm_module.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void say_file(const char *name, const char *path)
{
    char line[512];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        printf("guest: %s error %s\n", name, strerrorname_np(errno));
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        printf("guest: %s %s\n", name, line);
    }
    fclose(file);
}

static void say_folder(const char *name, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry = NULL;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        printf("guest: %s %s\n", name, entry->d_name);
    }
    if (folder == NULL) {
        printf("guest: %s error %s\n", name, strerrorname_np(errno));
        return;
    }
    closedir(folder);
}

static void say_opening(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    printf("guest: open%s %s %s\n", flags == O_RDONLY ? "" : "-write", path,
           fd < 0 ? strerrorname_np(errno) : "fine");
    if (fd >= 0) {
        close(fd);
    }
}

/* How much goes into a file of the folder before it is full. */
static void say_room(const char *folder)
{
    static const char block[4096];
    char path[64];
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/room", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (size < ((size_t)64 << 20) && write(fd, block, sizeof(block)) == sizeof(block)) {
        size += sizeof(block);
    }
    printf("guest: room %s %zu\n", folder, size);
    close(fd);
    unlink(path);
}

static void say_limit(const char *name, __rlimit_resource_t resource)
{
    struct rlimit limit = { 0 };
    getrlimit(resource, &limit);
    printf("guest: limit %s %lld %lld\n", name, (long long)limit.rlim_cur,
           (long long)limit.rlim_max);
}

static void say_loopback(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(443) };
    inet_pton(AF_INET, "127.0.0.5", &address.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool fine = bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
                listen(listener, 1) == 0 &&
                connect(client, (const struct sockaddr *)&address, sizeof(address)) == 0;
    printf("guest: loopback %s\n", fine ? "fine" : strerrorname_np(errno));
}

static void say_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        struct stat info;
        if (fstat(fd, &info) == 0) {
            printf("guest: descriptor %d\n", fd);
        }
    }
}

static void say_settings(void)
{
    static const char *const names[] = {
        "kernel/panic",          "kernel/panic_on_oops", "vm/panic_on_oom",
        "fs/suid_dumpable",      "kernel/core_pattern",  "kernel/randomize_va_space",
        "kernel/dmesg_restrict", "kernel/kptr_restrict", "net/ipv4/ip_unprivileged_port_start",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        char name[128];
        snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
        snprintf(name, sizeof(name), "setting %s", names[i]);
        say_file(name, path);
    }
}

static void say_openings(void)
{
    static const char *const readable[] = { "/dev/nsm",     "/dev/null",  "/dev/hwrng",
                                            "/dev/console", "/dev/ttyS0", "/proc/1/status",
                                            "/init" };
    static const char *const writable[] = { "/x",     "/dev/x",      "/tmp/x",
                                            "/run/x", "/dev/random", "/proc/sys/kernel/panic" };
    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        say_opening(readable[i], O_RDONLY);
    }
    for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++) {
        say_opening(writable[i], O_WRONLY | O_CREAT);
    }
}

static int report(const struct boot_line *line)
{
    char random[16];
    printf("guest: parent %u\n", line->parent_cid);
    printf("guest: time %lld\n", (long long)time(NULL));
    printf("guest: random %d\n", getrandom(random, sizeof(random), GRND_NONBLOCK) == 16);
    printf("guest: environment %d\n", environ != NULL && environ[0] != NULL);
    say_file("status", "/proc/self/status");
    say_file("mount", "/proc/mounts");
    say_folder("dev", "/dev");
    say_folder("proc", "/proc");
    say_settings();
    say_openings();
    say_room("/tmp");
    say_room("/run");
    say_limit("core", RLIMIT_CORE);
    say_limit("files", RLIMIT_NOFILE);
    say_limit("locked", RLIMIT_MEMLOCK);
    say_descriptors();
    say_loopback();
    return 0;
}

static int leave(const struct boot_line *line)
{
    (void)line;
    return 7;
}

static int leave_by_forbidden_call(const struct boot_line *line)
{
    (void)line;
    syscall(SYS_execve, "/init", NULL, NULL);
    return 0;
}

static int crash(const struct boot_line *line)
{
    (void)line;
    abort();
}

static int take_all_memory(const struct boot_line *line)
{
    (void)line;
    for (size_t i = 0; i < 65536; i++) { /* 64 GiB */
        char *more =
            mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more != MAP_FAILED) {
            memset(more, 1, 1 << 20);
        }
    }
    return 0;
}

/* Longer than two readings of the clock are apart. */
static int wait(const struct boot_line *line)
{
    const struct timespec while_the_clock_is_kept = { .tv_sec = 300 };
    (void)line;
    nanosleep(&while_the_clock_is_kept, NULL);
    return 0;
}

/* There is no second boot: this is not PID 1, and could not fork a server if it were. */
static int boot_again(const struct boot_line *line)
{
    (void)line;
    struct result again = boot_run(nsm_module_open, enclave_server);
    printf("guest: again %s\n", again.what);
    fflush(stdout);
    fork();
    return 0;
}

static const struct {
    const char *name;
    server_entry *run;
} deeds[] = {
    { "report", report },
    { "leave", leave },
    { "forbidden", leave_by_forbidden_call },
    { "crash", crash },
    { "memory", take_all_memory },
    { "wait", wait },
    { "again", boot_again },
};

int enclave_server(const struct boot_line *line)
{
    char name[32] = "";
    FILE *file = fopen("/deed", "re");
    if (file == NULL || fgets(name, sizeof(name), file) == NULL) {
        return 99;
    }
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(deeds[i].name, name) == 0) {
            printf("guest: begin\n");
            fflush(stdout);
            int code = deeds[i].run(line);
            printf("guest: end\n");
            fflush(stdout);
            return code;
        }
    }
    return 98;
}
