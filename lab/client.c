/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lab-client: N writers on one address, one row per commit, every attempt recorded.
 *
 * One thread; each writer is a small state machine over libmariadb's non-blocking calls, because
 * the library's own time-outs are whole seconds. An attempt is never repeated: a new attempt is a
 * new row (writer, seq), so that a row whose outcome is unknown can be told from every other one.
 *
 * Record, one line per attempt, tab separated, times in microseconds of CLOCK_BOOTTIME:
 *   sent  done  writer  seq  outcome  errno  server_id
 * outcome: ack      the server said OK: the row must be on every later writer
 *          error    the server refused it: the row must not exist
 *          unknown  time-out or lost connection after it was sent: either is right
 *          connect  no session; nothing was sent (seq is 0)
 * A line is written before the writer goes on, so the file is complete however the client ends.
 *
 * SIGTERM and SIGINT end it: attempts under way are finished (or time out), then a summary is
 * printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <mysql.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX 256

enum state { IDLE, CONNECTING, ASKING_ID, STORING_ID, READY, INSERTING };
enum outcome { ACK, ERROR, UNKNOWN, CONNECT, OUTCOME_COUNT };
static const char *const outcome_text[OUTCOME_COUNT] = {"ack", "error", "unknown", "connect"};

struct options {
    const char *host, *user, *password, *database, *out;
    unsigned port, writers, first_writer;
    int64_t connect_timeout_us, query_timeout_us, retry_us, period_us, duration_us;
};

struct writer {
    MYSQL mysql;
    enum state state;
    unsigned number;
    int waits;           /* MYSQL_WAIT_* that the library asked for */
    int64_t deadline_us; /* of the call under way */
    int64_t wake_us;     /* IDLE: when to connect; READY: when to send */
    int64_t sent_us;
    uint64_t seq;
    unsigned server_id;
    char sql[160];
};

struct client {
    struct options options;
    struct writer writers[WRITERS_MAX];
    uint64_t counts[OUTCOME_COUNT];
    int out;
    bool stopping;
};

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
    (void)number;
    stop_requested = 1;
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void record(struct client *c, const struct writer *w, enum outcome outcome, unsigned error)
{
    char line[160];
    int n = snprintf(line, sizeof line, "%" PRId64 "\t%" PRId64 "\t%u\t%" PRIu64 "\t%s\t%u\t%u\n",
                     w->sent_us, now_us(), w->number, outcome == CONNECT ? 0 : w->seq,
                     outcome_text[outcome], error, outcome == CONNECT ? 0 : w->server_id);
    c->counts[outcome]++;
    if (write(c->out, line, (size_t)n) != n) {
        perror("lab-client: cannot write the record");
        _exit(2);
    }
}

/*
 * Errors that the server sends instead of executing: read-only (1290, 1792, 1836), lock wait and
 * deadlock (rolled back: 1205 for one autocommitted statement, 1213), limits. All others leave open
 * whether the row is there: an error at commit may follow the write of the binary log.
 */
static bool error_is_definite(unsigned error)
{
    static const unsigned definite[] = {1040, 1044, 1045, 1046, 1049, 1054, 1062, 1064,
                                        1142, 1146, 1205, 1213, 1290, 1792, 1836};
    for (size_t i = 0; i < sizeof definite / sizeof *definite; i++)
        if (definite[i] == error)
            return true;
    return false;
}

static void drop(struct client *c, struct writer *w)
{
    mysql_close(&w->mysql);
    w->state = IDLE;
    w->waits = 0;
    w->wake_us = now_us() + c->options.retry_us;
}

static void connect_start(struct client *c, struct writer *w)
{
    const struct options *o = &c->options;
    MYSQL *ret = NULL;
    mysql_init(&w->mysql);
    mysql_options(&w->mysql, MYSQL_OPT_NONBLOCK, NULL);
    w->state = CONNECTING;
    w->sent_us = now_us();
    w->deadline_us = w->sent_us + o->connect_timeout_us;
    w->server_id = 0;
    w->waits = mysql_real_connect_start(&ret, &w->mysql, o->host, o->user, o->password, o->database,
                                        o->port, /* unix_socket= */ NULL, /* flags= */ 0);
    if (w->waits == 0 && ret == NULL) {
        record(c, w, CONNECT, mysql_errno(&w->mysql));
        drop(c, w);
    }
}

static void ask_id(struct writer *w)
{
    static const char sql[] = "SELECT @@global.server_id";
    int ret = 0;
    w->state = ASKING_ID;
    w->waits = mysql_real_query_start(&ret, &w->mysql, sql, sizeof sql - 1);
}

static void store_id(struct writer *w)
{
    MYSQL_RES *ret = NULL;
    w->state = STORING_ID;
    w->waits = mysql_store_result_start(&ret, &w->mysql);
    /* Small results arrive with the answer: the first call may be done at once, see advance(). */
    if (w->waits == 0) {
        MYSQL_ROW row = ret != NULL ? mysql_fetch_row(ret) : NULL;
        w->server_id = row != NULL ? (unsigned)strtoul(row[0], NULL, 10) : 0;
        mysql_free_result(ret);
    }
}

static void insert_start(struct client *c, struct writer *w)
{
    int ret = 0;
    w->seq++;
    w->state = INSERTING;
    w->sent_us = now_us();
    w->deadline_us = w->sent_us + c->options.query_timeout_us;
    if (c->options.period_us > 0) /* no burst after a pause: the schedule starts anew */
        w->wake_us = w->wake_us + c->options.period_us > w->sent_us
                         ? w->wake_us + c->options.period_us
                         : w->sent_us + c->options.period_us;
    int n = snprintf(w->sql, sizeof w->sql,
                     "INSERT INTO demo.writes (writer, seq, server_id, sent_us) "
                     "VALUES (%u, %" PRIu64 ", @@global.server_id, %" PRId64 ")",
                     w->number, w->seq, w->sent_us);
    w->waits = mysql_real_query_start(&ret, &w->mysql, w->sql, (unsigned long)n);
}

static void connect_failed(struct client *c, struct writer *w)
{
    record(c, w, CONNECT, mysql_errno(&w->mysql));
    drop(c, w);
}

static void insert_done(struct client *c, struct writer *w)
{
    unsigned error = mysql_errno(&w->mysql);
    if (error == 0) {
        record(c, w, ACK, 0);
        w->state = READY;
        return;
    }
    record(c, w, error_is_definite(error) ? ERROR : UNKNOWN, error);
    drop(c, w);
}

/* A call of the library is complete (w->waits == 0): what comes next. */
static void complete(struct client *c, struct writer *w)
{
    while (w->waits == 0 && w->state != IDLE && w->state != READY) {
        if (w->state == INSERTING) {
            insert_done(c, w);
        } else if (mysql_errno(&w->mysql) != 0) {
            connect_failed(c, w);
        } else if (w->state == CONNECTING) {
            ask_id(w);
        } else if (w->state == ASKING_ID) {
            store_id(w);
        } else {
            w->state = READY;
            w->wake_us = now_us();
        }
    }
}

static void advance(struct client *c, struct writer *w, int events)
{
    int ret = 0;
    MYSQL *connected = NULL;
    MYSQL_RES *result = NULL;
    switch (w->state) {
    case CONNECTING:
        w->waits = mysql_real_connect_cont(&connected, &w->mysql, events);
        break;
    case ASKING_ID:
    case INSERTING:
        w->waits = mysql_real_query_cont(&ret, &w->mysql, events);
        break;
    case STORING_ID:
        w->waits = mysql_store_result_cont(&result, &w->mysql, events);
        if (w->waits == 0 && result != NULL) {
            MYSQL_ROW row = mysql_fetch_row(result);
            w->server_id = row != NULL ? (unsigned)strtoul(row[0], NULL, 10) : 0;
            mysql_free_result(result);
        }
        break;
    case IDLE:
    case READY:
        return;
    }
    complete(c, w);
}

/* Starts what is due; returns the next time at which this writer wants to be looked at. */
static int64_t tend(struct client *c, struct writer *w)
{
    int64_t now = now_us();
    if (w->waits != 0 && now >= w->deadline_us)
        advance(c, w, MYSQL_WAIT_TIMEOUT);
    if (c->stopping && w->waits == 0)
        return INT64_MAX;
    if (w->state == IDLE && now >= w->wake_us) {
        connect_start(c, w);
        complete(c, w);
    }
    if (w->state == READY && now >= w->wake_us) {
        insert_start(c, w);
        complete(c, w);
    }
    return w->waits != 0 ? w->deadline_us : w->wake_us;
}

static short poll_events(int waits)
{
    return (short)(((waits & MYSQL_WAIT_READ) ? POLLIN : 0) |
                   ((waits & MYSQL_WAIT_WRITE) ? POLLOUT : 0) |
                   ((waits & MYSQL_WAIT_EXCEPT) ? POLLPRI : 0));
}

static int wait_bits(const struct pollfd *p, int waits)
{
    int bits = 0;
    if (p->revents & (POLLIN | POLLHUP | POLLERR))
        bits |= waits & MYSQL_WAIT_READ;
    if (p->revents & (POLLOUT | POLLHUP | POLLERR))
        bits |= waits & MYSQL_WAIT_WRITE;
    if (p->revents & POLLPRI)
        bits |= waits & MYSQL_WAIT_EXCEPT;
    return bits;
}

static void run(struct client *c)
{
    struct pollfd fds[WRITERS_MAX];
    struct writer *owners[WRITERS_MAX];
    int64_t end = c->options.duration_us > 0 ? now_us() + c->options.duration_us : INT64_MAX;
    for (;;) {
        nfds_t n = 0;
        bool busy = false;
        c->stopping = stop_requested || now_us() >= end;
        int64_t next = c->stopping ? INT64_MAX : end;
        for (unsigned i = 0; i < c->options.writers; i++) {
            struct writer *w = &c->writers[i];
            int64_t due = tend(c, w);
            if (due < next)
                next = due;
            if (w->waits == 0)
                continue;
            busy = true;
            owners[n] = w;
            fds[n++] = (struct pollfd){mysql_get_socket(&w->mysql), poll_events(w->waits), 0};
        }
        if (c->stopping && !busy)
            return;
        int64_t left = next - now_us();
        if (left < 0)
            left = 0;
        struct timespec t = {left / 1000000, left % 1000000 * 1000};
        if (ppoll(fds, n, next == INT64_MAX ? NULL : &t, NULL) <= 0)
            continue;
        for (nfds_t i = 0; i < n; i++) {
            int bits = wait_bits(&fds[i], owners[i]->waits);
            if (bits != 0)
                advance(c, owners[i], bits);
        }
    }
}

static void usage(FILE *to)
{
    fputs("usage: lab-client --out FILE [option...]\n"
          "  --host ADDRESS         172.17.0.101\n"
          "  --port N               3306\n"
          "  --user NAME            app\n"
          "  --password TEXT        app\n"
          "  --writers N            1 (at most 256)\n"
          "  --first-writer N       1: number of the first writer\n"
          "  --rate N               commits per second of each writer; 0 (default): as fast as it "
          "goes\n"
          "  --timeout MS           100: limit of a connection and of a commit\n"
          "  --connect-timeout MS   limit of a connection alone\n"
          "  --query-timeout MS     limit of a commit alone\n"
          "  --retry MS             5: pause before a new connection\n"
          "  --duration S           until it is told to stop\n",
          to);
}

static bool parse_number(const char *text, double max, double *ret_value)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= max))
        return false;
    *ret_value = value;
    return true;
}

static bool set_number(struct options *o, int key, double v)
{
    switch (key) {
    case 'P':
        o->port = (unsigned)v;
        return true;
    case 'w':
        o->writers = (unsigned)v;
        return v >= 1 && v <= WRITERS_MAX;
    case 'f':
        o->first_writer = (unsigned)v;
        return true;
    case 'r':
        o->period_us = v > 0 ? (int64_t)(1e6 / v) : 0;
        return true;
    case 't':
        o->connect_timeout_us = o->query_timeout_us = (int64_t)(v * 1e3);
        return true;
    case 'c':
        o->connect_timeout_us = (int64_t)(v * 1e3);
        return true;
    case 'q':
        o->query_timeout_us = (int64_t)(v * 1e3);
        return true;
    case 'y':
        o->retry_us = (int64_t)(v * 1e3);
        return true;
    default:
        o->duration_us = (int64_t)(v * 1e6);
        return true;
    }
}

static bool parse(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"host", 1, NULL, 'h'},
                                          {"port", 1, NULL, 'P'},
                                          {"user", 1, NULL, 'u'},
                                          {"password", 1, NULL, 'p'},
                                          {"out", 1, NULL, 'o'},
                                          {"writers", 1, NULL, 'w'},
                                          {"first-writer", 1, NULL, 'f'},
                                          {"rate", 1, NULL, 'r'},
                                          {"timeout", 1, NULL, 't'},
                                          {"connect-timeout", 1, NULL, 'c'},
                                          {"query-timeout", 1, NULL, 'q'},
                                          {"retry", 1, NULL, 'y'},
                                          {"duration", 1, NULL, 'd'},
                                          {"help", 0, NULL, 'H'},
                                          {NULL, 0, NULL, 0}};
    int key = 0;
    double value = 0;
    while ((key = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (key == 'h')
            o->host = optarg;
        else if (key == 'u')
            o->user = optarg;
        else if (key == 'p')
            o->password = optarg;
        else if (key == 'o')
            o->out = optarg;
        else if (key == 'H') {
            usage(stdout);
            exit(0);
        } else if (key == '?' || !parse_number(optarg, 1e9, &value) || !set_number(o, key, value))
            return false;
    }
    return optind == argc && o->out != NULL;
}

int main(int argc, char **argv)
{
    static struct client c;
    c.options = (struct options){.host = "172.17.0.101",
                                 .user = "app",
                                 .password = "app",
                                 .database = NULL,
                                 .port = 3306,
                                 .writers = 1,
                                 .first_writer = 1,
                                 .connect_timeout_us = 100000,
                                 .query_timeout_us = 100000,
                                 .retry_us = 5000};
    if (!parse(argc, argv, &c.options)) {
        usage(stderr);
        return 2;
    }
    c.out = open(c.options.out, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (c.out < 0) {
        perror(c.options.out);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    for (unsigned i = 0; i < c.options.writers; i++)
        c.writers[i].number = c.options.first_writer + i;
    run(&c);
    for (unsigned i = 0; i < c.options.writers; i++)
        if (c.writers[i].state != IDLE)
            mysql_close(&c.writers[i].mysql);
    printf("{\"ack\": %" PRIu64 ", \"error\": %" PRIu64 ", \"unknown\": %" PRIu64
           ", \"connect\": %" PRIu64 "}\n",
           c.counts[ACK], c.counts[ERROR], c.counts[UNKNOWN], c.counts[CONNECT]);
    return 0;
}
