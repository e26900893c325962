/* init.c: PID 1 of the image that tests the emulator and the kernel. It says on the console how far
 * it came and serves the tests over vsock, each service a process, each connection another:
 *   7000  echo
 *   7001  the security module: requests and responses, each behind its size in four bytes
 *   7002  facts: what this kernel offers, one "name value" a line
 *   7003  ends the enclave
 * All sizes are big endian. */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Linux's include/uapi/linux/nsm.h, which Debian 12 does not have yet. */
struct nsm_iovec {
    uint64_t addr;
    uint64_t len;
};
struct nsm_raw {
    struct nsm_iovec request;
    struct nsm_iovec response;
};
#define NSM_IOCTL_RAW _IOWR(0x0a, 0x0, struct nsm_raw)

static void serve(unsigned port, void (*answer)(int fd))
{
    struct sockaddr_vm here = { .svm_family = AF_VSOCK,
                                .svm_cid = VMADDR_CID_ANY,
                                .svm_port = port };
    int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(listener >= 0 && bind(listener, (struct sockaddr *)&here, sizeof(here)) == 0 &&
              listen(listener, 16) == 0,
          "listening");
    if (fork() != 0) {
        close(listener);
        return;
    }
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0) {
            answer(fd);
            _exit(0);
        }
        close(fd);
    }
}

/* ------------------------------------------------------------------------------------- services */

static void echo(int fd)
{
    static uint8_t bytes[1 << 16];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof(bytes))) > 0 && write_all(fd, bytes, (size_t)got)) {
    }
}

/* An answer of the size 0 stands for an ioctl that failed. */
static void security_module(int fd)
{
    static uint8_t request[1 << 16];
    static uint8_t response[0x3000];
    uint32_t size;
    int module = open("/dev/nsm", O_RDWR | O_CLOEXEC);
    check(module >= 0, "/dev/nsm");
    while (read_all(fd, &size, sizeof(size)) && ntohl(size) <= sizeof(request) &&
           read_all(fd, request, ntohl(size))) {
        struct nsm_raw raw = { .request = { (uintptr_t)request, ntohl(size) },
                               .response = { (uintptr_t)response, sizeof(response) } };
        size_t answer = ioctl(module, NSM_IOCTL_RAW, &raw) == 0 ? (size_t)raw.response.len : 0;
        size = htonl((uint32_t)answer);
        if (!write_all(fd, &size, sizeof(size)) || !write_all(fd, response, answer)) {
            return;
        }
    }
}

static const char *error_of(long result)
{
    return result >= 0 ? "ok" : strerrorname_np(errno);
}

static void fact_of_file(FILE *out, const char *name, const char *path)
{
    char text[128] = "";
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(text, sizeof(text), file) != NULL) {
            text[strcspn(text, "\n")] = '\0';
        }
        fclose(file);
    }
    fprintf(out, "%s %s\n", name, file != NULL ? text : "absent");
}

/* What the child of a crash leaves: "core" in its status when the kernel dumped one. */
static const char *crash(void)
{
    int status = 0;
    signal(SIGCHLD, SIG_DFL);
    pid_t child = fork();
    if (child == 0) {
        abort();
    }
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) {
        return "alive";
    }
    return WCOREDUMP(status) ? "core" : "gone";
}

static void facts(int fd)
{
    FILE *out = fdopen(fd, "w");
    struct utsname system;
    struct stat file;
    uint8_t random[32];
    uname(&system);
    fprintf(out, "release %s\nversion %s\n", system.release, system.version);
    fprintf(out, "cpus %d\n", get_nprocs());
    fprintf(out, "time %lld\n", (long long)time(NULL));
    fprintf(out, "random %s\n", error_of(getrandom(random, sizeof(random), GRND_NONBLOCK)));
    fprintf(out, "bpf %s\n", error_of(syscall(SYS_bpf, 0, NULL, 0)));
    fprintf(out, "io_uring %s\n", error_of(syscall(SYS_io_uring_setup, 1, NULL)));
    fprintf(out, "init_module %s\n", error_of(syscall(SYS_init_module, NULL, 0, "")));
    fprintf(out, "kexec %s\n", error_of(syscall(SYS_kexec_load, 0, 0, NULL, 0)));
    fprintf(out, "swapon %s\n", error_of(syscall(SYS_swapon, "/tmp/none", 0)));
    fprintf(out, "userfaultfd %s\n", error_of(syscall(SYS_userfaultfd, 0)));
    fprintf(out, "unshare_user %s\n", error_of(syscall(SYS_unshare, 0x10000000)));
    fprintf(out, "process_vm_readv %s\n",
            error_of(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)));
    fprintf(out, "iopl %s\n", error_of(syscall(SYS_iopl, 3)));
    fprintf(out, "inet6 %s\n", error_of(socket(AF_INET6, SOCK_STREAM, 0)));
    fprintf(out, "packet %s\n", error_of(socket(AF_PACKET, SOCK_RAW, 0)));
    fprintf(out, "inet %s\n", error_of(socket(AF_INET, SOCK_STREAM, 0)));
    /* 2: SECCOMP_GET_ACTION_AVAIL; an action that every kernel with filters has. */
    fprintf(out, "seccomp %s\n", error_of(syscall(SYS_seccomp, 2, 0, &(uint32_t){ 0x7fff0000 })));
    fprintf(out, "mem %s\n", error_of(stat("/dev/mem", &file)));
    fprintf(out, "kcore %s\n", error_of(stat("/proc/kcore", &file)));
    fprintf(out, "nsm %s\n", error_of(stat("/dev/nsm", &file)));
    fprintf(out, "crash %s\n", crash());
    fact_of_file(out, "hwrng", "/sys/class/misc/hw_random/rng_current");
    fact_of_file(out, "ptp", "/sys/class/ptp/ptp0/clock_name");
    fact_of_file(out, "clocksource",
                 "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    fclose(out);
}

static void end_enclave(int fd)
{
    (void)fd;
    puts("guest: told to end");
    end();
}

int main(void)
{
    mount_all();
    puts("guest: mounted");
    serve(7000, echo);
    serve(7001, security_module);
    serve(7002, facts);
    serve(7003, end_enclave);
    heartbeat();
    puts("guest: ready");
    for (;;) {
        pause();
    }
}
