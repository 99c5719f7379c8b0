/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sys/privileges.h"

#include <link.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL (PRIVILEGE_REALTIME | PRIVILEGE_MEMLOCK | PRIVILEGE_OOM)

static void count_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void count_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    unsigned *warnings = data;
    (void)id;
    (void)fmt;
    *warnings += level == LOG_LEVEL_WARNING;
}

/* Each in a process of its own: what is asked for cannot be given back. Returns its exit status. */
static int in_child(int (*run)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static unsigned long long status_kb(const char *key)
{
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kb = strtoull(line + strlen(key), NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return kb;
}

/* A sanitizer makes mlock() a call that does nothing: then there is nothing to see. */
static bool locking_works(void)
{
    char page[8192] = {0};
    bool works = mlock(page, sizeof page) != 0 || status_kb("VmLck:") > 0;
    (void)munlock(page, sizeof page);
    return works;
}

/* Whatever is allowed here: what was got is there, what was not is a warning. */
static int run_all(void)
{
    unsigned warnings = 0;
    struct log log = {count_log, &warnings};
    bool locks = locking_works();
    int before = sched_getscheduler(0);
    unsigned got = privileges_apply(ALL, &log);
    struct rlimit core;
    int policy = sched_getscheduler(0);
    if (warnings != (unsigned)__builtin_popcount(ALL & ~got))
        return 1;
    if (policy != ((got & PRIVILEGE_REALTIME) != 0 ? SCHED_RR | SCHED_RESET_ON_FORK : before))
        return 2;
    if (locks && ((got & PRIVILEGE_MEMLOCK) != 0) != (status_kb("VmLck:") > 0))
        return 3;
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0)
        return 4;
    if (signal(SIGPIPE, SIG_IGN) != SIG_IGN)
        return 5;
    return 0;
}

/* Without the real-time priority it is what this process was when the test began. */
static int run_child_is_ordinary(void)
{
    struct log log = {NULL, NULL};
    int ordinary = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    int status;
    pid_t child;
    if ((privileges_apply(ALL, &log) & PRIVILEGE_REALTIME) != 0)
        ordinary = SCHED_OTHER;
    child = fork();
    if (child == 0)
        _exit(sched_getscheduler(0) == ordinary && status_kb("VmLck:") == 0 ? 0 : 1);
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

/* Locked memory under a limit would make every later allocation fail. */
static int run_under_a_limit(void)
{
    unsigned warnings = 0;
    struct log log = {count_log, &warnings};
    struct rlimit limit = {65536, 65536};
    void *memory;
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        return 1;
    if (privileges_apply(PRIVILEGE_MEMLOCK, &log) != 0 || warnings != 1)
        return 2;
    memory = malloc(8u << 20);
    if (memory == NULL)
        return 3;
    free(memory);
    return 0;
}

static int run_nothing(void)
{
    unsigned warnings = 0;
    struct log log = {count_log, &warnings};
    int before = sched_getscheduler(0);
    return privileges_apply(0, &log) == 0 && warnings == 0 && sched_getscheduler(0) == before ? 0
                                                                                              : 1;
}

/* Reads a byte of every page, as a start does that initialises everything; also what
 * AddressSanitizer keeps out of bounds. */
__attribute__((no_sanitize("address"))) static int read_library(struct dl_phdr_info *object,
                                                                size_t size, void *data)
{
    volatile unsigned *sum = data;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        const unsigned char *bytes = (const void *)(object->dlpi_addr + p->p_vaddr);
        for (size_t at = 0; p->p_type == PT_LOAD && at < p->p_filesz; at += 4096)
            *sum += bytes[at];
    }
    return 0;
}

/* Pages of files come back when they are used; what was locked is locked again. */
static int run_settles(void)
{
    unsigned warnings = 0;
    struct log log = {count_log, &warnings};
    bool locks = locking_works();
    unsigned got = privileges_apply(PRIVILEGE_MEMLOCK, &log);
    unsigned warned = warnings;
    unsigned long long before_kb;
    unsigned sum = 0;
    char *memory = strdup("kept");
    (void)dl_iterate_phdr(read_library, &sum);
    before_kb = status_kb("RssFile:");
    privileges_settle(got, &log);
    if (status_kb("RssFile:") + 512 > before_kb)
        return 1;
    if (locks && ((got & PRIVILEGE_MEMLOCK) != 0) != (status_kb("VmLck:") > 0))
        return 2;
    if (memory == NULL || strcmp(memory, "kept") != 0 || warnings != warned)
        return 3;
    free(memory);
    return 0;
}

static void test_all(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_all), 0);
}

static void test_children_are_ordinary(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_child_is_ordinary), 0);
}

static void test_under_a_limit(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_under_a_limit), 0);
}

static void test_nothing_wanted(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_nothing), 0);
}

static void test_settles(void **state)
{
    (void)state;
    assert_int_equal(in_child(run_settles), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),           cmocka_unit_test(test_children_are_ordinary),
        cmocka_unit_test(test_under_a_limit), cmocka_unit_test(test_nothing_wanted),
        cmocka_unit_test(test_settles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
