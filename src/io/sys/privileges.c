/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failure modes: no CAP_SYS_NICE and no RLIMIT_RTPRIO -> EPERM; a kernel with RT group scheduling
 * without a share for our cgroup -> EPERM; no CAP_IPC_LOCK -> a limit. Each is one warning.
 */
#include "io/sys/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PRIVILEGES_OOM "-900"
#define PRIVILEGES_CAP_IPC_LOCK 14 /* linux/capability.h */

/*
 * All threads alike, or none: libuv's loop waits with sched_yield() for a pool thread that is in
 * the middle of waking it. If the loop's priority is higher, that thread may never run again (until
 * the kernel's real-time throttling lets it, a second later): a standstill that costs the lease.
 */
static bool privileges_realtime_all(void)
{
    struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *d;
    bool ok = tasks != NULL;
    while (ok && (d = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);
        if (tid > 0)
            ok = sched_setscheduler(tid, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0;
    }
    if (tasks != NULL)
        (void)closedir(tasks);
    return ok;
}

/* The lowest real-time priority: before everything ordinary, behind the kernel's own threads. */
static bool privileges_realtime(const struct log *log)
{
    if (privileges_realtime_all())
        return true;
    LOG(log, WARNING, "realtime-refused",
        "no real-time priority, heartbeats may be late under load; give CAP_SYS_NICE or "
        "LimitRTPRIO=50, or set policy.realtime = false error='%s'",
        strerror(errno));
    return false;
}

static bool privileges_has_cap(unsigned cap)
{
    char text[4096];
    const char *at;
    ssize_t n;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strstr(text, "CapEff:");
    return at != NULL && (strtoull(at + 7, NULL, 16) >> cap & 1) != 0;
}

/* MCL_FUTURE under a limit is a trap: every later allocation beyond it fails, the stacks of threads
 * first. So memory is locked without a limit, or not at all. */
static bool privileges_memlock_unlimited(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (privileges_has_cap(PRIVILEGES_CAP_IPC_LOCK))
        return true;
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ||
           (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY);
}

static bool privileges_memlock(const struct log *log)
{
    /* ONFAULT: pages are locked when they are used; else all of libc and every stack's full size
     * would become resident. */
    if (!privileges_memlock_unlimited())
        errno = EPERM;
    else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
        return true;
    LOG(log, WARNING, "memlock-refused",
        "memory is not locked, a swapped-out agent may lose its lease; give CAP_IPC_LOCK or "
        "LimitMEMLOCK=infinity, or set policy.memlock = false error='%s'",
        strerror(errno));
    return false;
}

/* A text with relocations in it is not what its file holds. */
static bool privileges_is_relocated(const struct dl_phdr_info *object, const ElfW(Phdr) * dynamic)
{
    const ElfW(Dyn) *d = (const void *)(object->dlpi_addr + dynamic->p_vaddr);
    for (; d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL) != 0))
            return true;
    }
    return false;
}

static int privileges_release(struct dl_phdr_info *object, size_t size, void *data)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)data;
    if (object->dlpi_name[0] == '\0')
        return 0; /* the program itself */
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC &&
            privileges_is_relocated(object, &object->dlpi_phdr[i]))
            return 0;
    }
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        uintptr_t from = (object->dlpi_addr + p->p_vaddr) & ~(page - 1);
        uintptr_t to = (object->dlpi_addr + p->p_vaddr + p->p_memsz + page - 1) & ~(page - 1);
        if (p->p_type == PT_LOAD && (p->p_flags & PF_W) == 0)
            (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void privileges_settle(unsigned got, const struct log *log)
{
    /* What is locked cannot be given back. */
    if ((got & PRIVILEGE_MEMLOCK) != 0)
        (void)munlockall();
    (void)dl_iterate_phdr(privileges_release, NULL);
    if ((got & PRIVILEGE_MEMLOCK) != 0)
        (void)privileges_memlock(log);
}

static bool privileges_oom(const struct log *log)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, PRIVILEGES_OOM, sizeof PRIVILEGES_OOM - 1) ==
                             (ssize_t)sizeof PRIVILEGES_OOM - 1;
    if (!ok)
        LOG(log, WARNING, "oom-refused",
            "not protected from the out-of-memory killer; set OOMScoreAdjust=-900 in the unit "
            "error='%s'",
            strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

unsigned privileges_apply(unsigned wanted, const struct log *log)
{
    unsigned got = 0;
    struct rlimit core;
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &core);
    }
    if ((wanted & PRIVILEGE_REALTIME) != 0 && privileges_realtime(log))
        got |= PRIVILEGE_REALTIME;
    if ((wanted & PRIVILEGE_MEMLOCK) != 0 && privileges_memlock(log))
        got |= PRIVILEGE_MEMLOCK;
    if ((wanted & PRIVILEGE_OOM) != 0 && privileges_oom(log))
        got |= PRIVILEGE_OOM;
    LOG(log, INFO, "privileges", "asked of the kernel realtime=%s memlock=%s oom=%s",
        (got & PRIVILEGE_REALTIME) != 0 ? "yes" : "no",
        (got & PRIVILEGE_MEMLOCK) != 0 ? "yes" : "no", (got & PRIVILEGE_OOM) != 0 ? "yes" : "no");
    return got;
}
