/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* An abstract socket of this process's own name: nothing to clean up. */
static int manager_open(char *name, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(name, size, "@tandem-test-notify-%d", getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static const char *manager_read(int fd, char *buf, size_t size)
{
    ssize_t n = recv(fd, buf, size - 1, 0);
    buf[n > 0 ? n : 0] = '\0';
    return buf;
}

static void test_messages(void **state)
{
    struct notify n;
    char name[64];
    char got[1024];
    int fd = manager_open(name, sizeof name);
    (void)state;
    notify_open(&n, name);
    assert_true(notify_ready(&n, "follows m1"));
    assert_string_equal(manager_read(fd, got, sizeof got), "READY=1\nSTATUS=follows m1");
    assert_true(notify_status(&n, "writer"));
    assert_string_equal(manager_read(fd, got, sizeof got), "STATUS=writer");
    assert_true(notify_stopping(&n, NULL));
    assert_string_equal(manager_read(fd, got, sizeof got), "STOPPING=1\n");
    assert_true(notify_watchdog(&n));
    assert_string_equal(manager_read(fd, got, sizeof got), "WATCHDOG=1");
    notify_close(&n);
    assert_false(notify_ready(&n, "closed"));
    (void)close(fd);
}

/* A manager that does not read: calls return at once, with false. */
static void test_never_blocks(void **state)
{
    struct notify n;
    char name[64];
    int fd = manager_open(name, sizeof name);
    unsigned sent = 0;
    (void)state;
    notify_open(&n, name);
    while (sent < 100000 && notify_watchdog(&n))
        sent++;
    assert_true(sent > 0 && sent < 100000);
    notify_close(&n);
    (void)close(fd);
}

static void test_nobody_listens(void **state)
{
    struct notify n;
    (void)state;
    notify_open(&n, NULL);
    assert_false(notify_ready(&n, "x"));
    notify_open(&n, "relative");
    assert_false(notify_ready(&n, "x"));
    notify_open(&n, "/nonexistent/socket");
    assert_false(notify_ready(&n, "x"));
    notify_close(&n);
}

static void test_watchdog_interval(void **state)
{
    char pid[16];
    (void)state;
    (void)snprintf(pid, sizeof pid, "%d", getpid());
    assert_int_equal(notify_watchdog_interval_us("6000000", pid), 2000000);
    assert_int_equal(notify_watchdog_interval_us("6000000", NULL), 2000000);
    assert_int_equal(notify_watchdog_interval_us("6000000", "1"), 0);
    assert_int_equal(notify_watchdog_interval_us(NULL, pid), 0);
    assert_int_equal(notify_watchdog_interval_us("junk", pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_never_blocks),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_watchdog_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
