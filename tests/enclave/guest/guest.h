/* guest.h: what every PID 1 of the tests does: mounts, the console, the sign of life. */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARENT_CID = 2, HEARTBEAT_PORT = 9000, HEARTBEAT = 0xb7 };

static inline _Noreturn void end(void)
{
    sync();
    reboot(RB_AUTOBOOT);
    _exit(1);
}

static inline void check(bool held, const char *step)
{
    if (!held) {
        printf("guest: %s failed: %s\n", step, strerror(errno));
        end();
    }
}

static inline void mount_all(void)
{
    mkdir("/dev", 0755);
    check(mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL) == 0, "devtmpfs");
    int console = open("/dev/console", O_RDWR);
    check(console >= 0 && dup2(console, 0) == 0 && dup2(console, 1) == 1 && dup2(console, 2) == 2,
          "console");
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/proc", 0555);
    check(mount("proc", "/proc", "proc", 0, NULL) == 0, "proc");
    mkdir("/sys", 0555);
    check(mount("sysfs", "/sys", "sysfs", 0, NULL) == 0, "sysfs");
    mkdir("/tmp", 01777);
    check(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0, "tmpfs");
}

/* ---------------------------------------------------------------------------------- connections */

static inline bool read_all(int fd, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, (char *)bytes + done, size - done);
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static inline bool write_all(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, (const char *)bytes + done, size - done);
        if (put <= 0) {
            return false;
        }
        done += (size_t)put;
    }
    return true;
}

static inline void heartbeat(void)
{
    struct sockaddr_vm parent = { .svm_family = AF_VSOCK,
                                  .svm_cid = PARENT_CID,
                                  .svm_port = HEARTBEAT_PORT };
    uint8_t byte = HEARTBEAT;
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "vsock");
    check(connect(fd, (struct sockaddr *)&parent, sizeof(parent)) == 0, "heartbeat connection");
    check(write_all(fd, &byte, 1) && read_all(fd, &byte, 1) && byte == HEARTBEAT, "heartbeat");
    close(fd);
}

#endif
