/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: one write() of one line, or one datagram in the journal's native format
 * ("KEY=value\n" per field; documented in systemd's JOURNAL_NATIVE_PROTOCOL).
 *
 * Failure modes: reader does not read, or is gone (EAGAIN, EPIPE) -> drop; a terminal took half a
 * line -> the rest is lost, a drop; journal restarted (ECONNREFUSED) -> that record goes to stderr,
 * which the service manager keeps open, and the socket is connected again for the next one.
 *
 * Not sd_journal_send(): its socket blocks when the journal does not read.
 *
 * O_NONBLOCK belongs to the open file, which stderr may share with a shell: setting it there would
 * break the shell. Therefore stderr is opened once more through /proc; a socket cannot be, but
 * knows MSG_DONTWAIT.
 */
#include "io/sys/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LOG_FIELDS_MAX 24
#define LOG_KEY_MAX 48

struct log_text {
    char *at;
    size_t size;
    size_t used; /* <= size - 1 */
};

const char *log_level_text(enum log_level level)
{
    static const char *const texts[] = {"debug", "info", "notice", "warning", "error"};
    return (unsigned)level < sizeof texts / sizeof texts[0] ? texts[level] : "?";
}

static int log_priority(enum log_level level)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR};
    return (unsigned)level < sizeof priorities / sizeof priorities[0] ? priorities[level] : LOG_ERR;
}

static void log_put(struct log_text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void log_put(struct log_text *t, const char *fmt, ...)
{
    va_list ap;
    int n;
    va_start(ap, fmt);
    n = vsnprintf(t->at + t->used, t->size - t->used, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->used = (size_t)n < t->size - t->used ? t->used + (size_t)n : t->size - 1;
}

static void log_clean(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
}

/* ---- where to ---- */

/* JOURNAL_STREAM is "DEVICE:INODE" of the stream that the service manager gave us. */
static bool log_is_journal(int fd, const char *journal_stream)
{
    struct stat st;
    char *end = NULL;
    unsigned long long device, inode;
    if (journal_stream == NULL || fstat(fd, &st) != 0)
        return false;
    device = strtoull(journal_stream, &end, 10);
    if (end == journal_stream || *end != ':')
        return false;
    inode = strtoull(end + 1, NULL, 10);
    return st.st_dev == device && st.st_ino == inode;
}

static int log_journal_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;
    if (strlen(path) >= sizeof to.sun_path)
        return -1;
    memcpy(to.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void log_reopen(struct log_sink *s, int fd)
{
    char path[32];
    struct stat st;
    s->fd = fd;
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
        s->is_socket = true;
        return;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    /* O_APPEND: two processes that log into one file do not overwrite each other. */
    s->fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    s->own_fd = s->fd >= 0;
}

void log_sink_open(struct log_sink *s, const struct log_sink_config *c)
{
    memset(s, 0, sizeof *s);
    s->level = c->level;
    s->journal = -1;
    (void)snprintf(s->cluster, sizeof s->cluster, "%s", c->cluster);
    (void)snprintf(s->node, sizeof s->node, "%s", c->node);
    log_reopen(s, c->fd);
    if (log_is_journal(c->fd, c->journal_stream))
        s->journal =
            log_journal_connect(c->journal_socket != NULL ? c->journal_socket : LOG_JOURNAL_SOCKET);
}

void log_sink_close(struct log_sink *s)
{
    if (s->own_fd)
        (void)close(s->fd);
    if (s->journal >= 0)
        (void)close(s->journal);
    s->own_fd = false;
    s->fd = s->journal = -1;
}

/* ---- lines ---- */

static bool log_write(struct log_sink *s, const char *text, size_t size)
{
    ssize_t n = s->fd < 0      ? -1
                : s->is_socket ? send(s->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                               : write(s->fd, text, size);
    return n == (ssize_t)size;
}

static bool log_line(struct log_sink *s, enum log_level level, const char *id, const char *message)
{
    char buf[LOG_SINK_LINE_MAX];
    struct log_text t = {buf, sizeof buf - 1, 0};
    struct timespec now;
    struct tm tm;
    char date[32] = "?";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm) != NULL)
        (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    log_put(&t, "%s.%06ldZ %s %s %s", date, now.tv_nsec / 1000, log_level_text(level), id, message);
    buf[t.used++] = '\n';
    return log_write(s, buf, t.used);
}

/* ---- the journal ---- */

/* Length of a key at p: [a-z0-9_]+ before '='; 0 if there is none. */
static size_t log_key(const char *p)
{
    size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n < LOG_KEY_MAX && p[n] == '=' ? n : 0;
}

/* "key=value key='two words'" as fields TANDEM_KEY; what is no pair is part of the sentence only.
 */
static void log_pairs(struct log_text *t, const char *p)
{
    unsigned fields = 0;
    while (*p != '\0' && fields < LOG_FIELDS_MAX) {
        size_t key = log_key(p);
        const char *value = p + key + 1;
        bool quoted;
        size_t n;
        if (key == 0) {
            p += strcspn(p, " ");
            p += strspn(p, " ");
            continue;
        }
        quoted = *value == '\'' && strchr(value + 1, '\'') != NULL;
        value += quoted ? 1 : 0;
        n = strcspn(value, quoted ? "'" : " ");
        log_put(t, "TANDEM_");
        for (size_t i = 0; i < key; i++)
            log_put(t, "%c", p[i] >= 'a' && p[i] <= 'z' ? p[i] - 'a' + 'A' : p[i]);
        log_put(t, "=%.*s\n", (int)n, value);
        fields++;
        p = value + n + (quoted ? 1 : 0);
        p += strspn(p, " ");
    }
}

static bool log_journal_send(struct log_sink *s, const struct log_text *t)
{
    return send(s->journal, t->at, t->used, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)t->used;
}

/* The journal was restarted: its new socket has the old name. */
static bool log_journal_again(struct log_sink *s)
{
    struct sockaddr_un to;
    socklen_t size = sizeof to;
    if (errno != ECONNREFUSED && errno != ENOTCONN)
        return false;
    return getpeername(s->journal, (struct sockaddr *)&to, &size) == 0 &&
           connect(s->journal, (const struct sockaddr *)&to, size) == 0;
}

static bool log_to_journal(struct log_sink *s, enum log_level level, const char *id,
                           const char *message)
{
    char buf[2 * LOG_SINK_LINE_MAX];
    struct log_text t = {buf, sizeof buf, 0};
    log_put(&t,
            "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=tandem\nEVENT=%s\nCLUSTER=%s\nNODE=%s\n",
            message, log_priority(level), id, s->cluster, s->node);
    log_pairs(&t, message);
    /* A field that was cut by the end of the buffer would make the datagram malformed. */
    while (t.used > 0 && buf[t.used - 1] != '\n')
        t.used--;
    return log_journal_send(s, &t) || (log_journal_again(s) && log_journal_send(s, &t));
}

/* ---- */

static bool log_emit(struct log_sink *s, enum log_level level, const char *id, const char *message)
{
    if (s->journal >= 0 && log_to_journal(s, level, id, message))
        return true;
    return log_line(s, level, id, message);
}

static void log_sink_write(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void log_sink_write(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct log_sink *s = data;
    char message[LOG_SINK_LINE_MAX - 128];
    char told[96];
    uint64_t dropped = s->dropped;
    va_list ap;
    if (level < s->level)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    log_clean(message);
    if (!log_emit(s, level, id, message)) {
        s->dropped++;
        return;
    }
    if (dropped == s->dropped_told)
        return;
    (void)snprintf(told, sizeof told,
                   "records were lost because nobody read them in time count=%" PRIu64,
                   dropped - s->dropped_told);
    if (log_emit(s, LOG_LEVEL_WARNING, "log-dropped", told))
        s->dropped_told = dropped;
}

struct log log_sink_log(struct log_sink *s)
{
    return (struct log){.fn = log_sink_write, .data = s};
}

uint64_t log_sink_dropped(const struct log_sink *s)
{
    return s->dropped;
}
