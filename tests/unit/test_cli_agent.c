/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that talk to an agent, against one in a thread that plays a script. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "app/config_timing.h"
#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/history_view.h"
#include "cli/status_view.h"

#define ARGS_MAX 24
#define REPLIES_MAX 16

struct world {
    char dir[64];
    char config[128];
    int listener;
    int stop[2];
    pthread_t thread;
    bool agent;
    pthread_mutex_t lock;
    /* Replies to `status`, in order; the last one again and again. */
    const char *status[REPLIES_MAX];
    unsigned n_status;
    unsigned next_status;
    const char *other; /* to everything else */
    char requests[4096];
    bool closed;       /* what the server says */
    unsigned restored; /* salvages */
};

static struct world *the_world; /* cli_services has no data pointer */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    char text[2048];
    char path[128];
    assert_non_null(w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/test_cli_agent.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->config, sizeof w->config, "%s/tandem.conf", w->dir);
    (void)snprintf(text, sizeof text,
                   "cluster = demo\nstate_dir = \"%s/%%n\"\nrun_dir = \"%s\"\n"
                   "mysql { pid_file = \"%s/mysqld.pid\"\n data_dir = \"%s/data\" }\n"
                   "node m1 { address = \"10.0.0.1\"\n role = candidate\n priority = 100 }\n"
                   "node m2 { address = \"10.0.0.2\"\n role = candidate\n priority = 50 }\n"
                   "node m3 { address = \"10.0.0.3\"\n role = replica }\n",
                   w->dir, w->dir, w->dir, w->dir);
    write_file(w->config, text);
    (void)snprintf(path, sizeof path, "%s/data", w->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(pthread_mutex_init(&w->lock, NULL), 0);
    the_world = w;
    *state = w;
    return 0;
}

/* ---- the agent ---- */

static const char *agent_reply(struct world *w, const char *line)
{
    const char *reply = w->other;
    size_t used;
    assert_int_equal(pthread_mutex_lock(&w->lock), 0);
    used = strlen(w->requests);
    if (strstr(line, "\"op\":\"status\"") != NULL) {
        reply = w->status[w->next_status];
        if (w->next_status + 1 < w->n_status)
            w->next_status++;
    } else {
        (void)snprintf(w->requests + used, sizeof w->requests - used, "%s", line);
    }
    assert_int_equal(pthread_mutex_unlock(&w->lock), 0);
    return reply;
}

static void *agent_run(void *data)
{
    struct world *w = data;
    struct pollfd p[2] = {{.fd = w->listener, .events = POLLIN},
                          {.fd = w->stop[0], .events = POLLIN}};
    char line[4097];
    while (poll(p, 2, -1) > 0 && p[1].revents == 0) {
        int fd = accept(w->listener, NULL, NULL);
        const char *reply;
        size_t used = 0;
        ssize_t n;
        do {
            n = recv(fd, line + used, sizeof line - 1 - used, 0);
            used += n > 0 ? (size_t)n : 0;
        } while (n > 0 && line[used - 1] != '\n');
        line[used] = '\0';
        reply = agent_reply(w, line);
        if (reply != NULL) {
            (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
            (void)send(fd, "\n", 1, MSG_NOSIGNAL);
        }
        (void)close(fd);
    }
    return NULL;
}

static void agent_start(struct world *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/agent.sock", w->dir);
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(w->listener, 8), 0);
    assert_int_equal(pipe(w->stop), 0);
    w->agent = true;
    assert_int_equal(pthread_create(&w->thread, NULL, agent_run, w), 0);
}

static int world_teardown(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"agent.sock", "tandem.conf", "mysqld.pid", "mysqld",
                                        "data"};
    char path[128];
    if (w->agent) {
        assert_int_equal(write(w->stop[1], "x", 1), 1);
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        (void)close(w->stop[0]);
        (void)close(w->stop[1]);
        (void)close(w->listener);
    }
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        (void)remove(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

/* ---- a command ---- */

struct run {
    int status;
    char *out;
    char *err;
};

static bool fake_is_closed(const struct config_node *n)
{
    (void)n;
    return the_world->closed;
}

static int fake_salvage_check(const struct config_node *n, const char *dir, struct errmsg *why)
{
    (void)n;
    (void)dir;
    (void)why;
    return 0;
}

static int fake_salvage_restore(const struct config_node *n, const char *dir, struct errmsg *text)
{
    (void)n;
    the_world->restored++;
    return errmsg_set(text, 0, "restored %s", dir);
}

static struct run run(struct world *w, const char *line)
{
    static const struct cli_services services = {.timing_check = config_timing_check,
                                                 .server_is_closed = fake_is_closed,
                                                 .salvage_check = fake_salvage_check,
                                                 .salvage_restore = fake_salvage_restore};
    char words[1024];
    char *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;
    struct run r = {.status = -1};
    size_t n_out = 0;
    size_t n_err = 0;
    FILE *out = open_memstream(&r.out, &n_out);
    FILE *err = open_memstream(&r.err, &n_err);
    (void)snprintf(words, sizeof words, "tandem %s --config %s --node m1", line, w->config);
    for (char *at = words, *word; (word = strsep(&at, " ")) != NULL;)
        argv[argc++] = word;
    r.status = cli_main(argc, argv, &services, out, err);
    (void)fclose(out);
    (void)fclose(err);
    return r;
}

static void expect(struct run r, int status, const char *out, const char *err)
{
    if (r.status != status || strstr(r.out, out) == NULL || strstr(r.err, err) == NULL)
        print_error("status %d\n%s--\n%s", r.status, r.out, r.err);
    assert_int_equal(r.status, status);
    assert_non_null(strstr(r.out, out));
    assert_non_null(strstr(r.err, err));
    free(r.out);
    free(r.err);
}

/* ---- canned states ---- */

#define NODE(name, role, state, more) \
    "{\"name\":\"" name "\",\"role\":\"" role "\",\"state\":\"" state "\"," more "\"agent\":true}"
#define STATUS(head, m1, m2)                                                                      \
    "{\"cluster\":\"demo\",\"node\":\"m1\",\"version\":\"1.0\",\"term\":7," head                  \
    ",\"voters\":[\"m1\",\"m2\",\"m3\"],\"majority\":2,\"vips\":[\"10.0.0.100\"],\"nodes\":[" m1  \
    "," m2 "," NODE("m3", "replica", "replica",                                                   \
                    "\"source\":\"m2\",\"health\":\"ok\",\"io\":\"running\",\"sql\":\"stopped\"," \
                    "\"gtid_behind\":12,\"lag_s\":3,\"server_version\":\"8.4.0\",") "]}"

static const char whole[] =
    STATUS("\"writer\":\"m1\",\"leader\":\"m1\",\"lease_ms\":812,\"in_sync\":[\"m2\"],"
           "\"safe\":true,\"safe_text\":\"a failure of m1 now loses nothing\",\"troubles\":[]",
           NODE("m1", "candidate", "writer",
                "\"health\":\"ok\",\"open\":true,\"vip\":true,\"priority\":100,"
                "\"agent_version\":\"1.0\",\"phase\":\"writer\","),
           NODE("m2", "candidate", "standby",
                "\"health\":\"ok\",\"in_sync\":true,\"source\":\"m1\",\"priority\":50,"
                "\"io\":\"running\",\"sql\":\"running\",\"replicating\":true,\"gtid_behind\":0,"
                "\"lag_s\":0,\"phase\":\"follows\","));
static const char ordered[] =
    STATUS("\"writer\":\"m1\",\"leader\":\"m1\",\"lease_ms\":812,\"handover\":\"m2\"",
           NODE("m1", "candidate", "writer", "\"open\":false,\"phase\":\"handing over\","),
           NODE("m2", "candidate", "standby", ""));
static const char switched[] =
    STATUS("\"writer\":\"m2\",\"leader\":\"m2\",\"lease_ms\":900",
           NODE("m1", "candidate", "standby", "\"phase\":\"follows\","),
           NODE("m2", "candidate", "writer", "\"open\":true,\"phase\":\"writer\","));
static const char lost[] =
    STATUS("\"writer\":\"m1\",\"leader\":null,\"lease_ms\":0,\"safe\":false,"
           "\"safe_text\":\"no open writer; the last one is m1\",\"troubles\":[\"m1: its agent "
           "does not answer for 12 s\"]",
           "{\"name\":\"m1\",\"role\":\"candidate\",\"state\":\"unknown\",\"agent\":false,"
           "\"age_ms\":12000}",
           NODE("m2", "candidate", "standby", "\"behind_last_known\":41,\"maintenance\":true,"));

static const char paused[] =
    STATUS("\"writer\":\"m1\",\"paused\":true", NODE("m1", "", "", ""), NODE("m2", "", "", ""));
static const char maintained[] =
    STATUS("\"writer\":\"m1\"", NODE("m1", "", "", "\"maintenance\":true,"),
           NODE("m2", "", "", "\"no_promote_ordered\":true,"));

static void status_is(struct world *w, unsigned n, const char *const *replies)
{
    w->n_status = n;
    for (unsigned i = 0; i < n; i++)
        w->status[i] = replies[i];
    agent_start(w);
}

#define STATUS_IS(w, ...)                                                      \
    status_is(w, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *), \
              (const char *[]){__VA_ARGS__})

/* ---- status ---- */

static void test_no_agent(void **state)
{
    struct world *w = *state;
    static const char *const lines[] = {
        "status", "status --json", "switchover", "failover",          "pause",
        "resume", "history",       "explain",    "maintenance m1 on", "switchover --to m2"};
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect(run(w, lines[i]), CLI_NO_AGENT, "", "start it: systemctl start tandem");
}

static void test_usage(void **state)
{
    struct world *w = *state;
    static const char *const lines[] = {"status m1",      "status --count zero",
                                        "switchover m2",  "failover --accept-data-loss",
                                        "pause now",      "resume now",
                                        "maintenance m1", "maintenance m1 maybe",
                                        "history many",   "history 1 2",
                                        "explain m1 m2",  "mysqld",
                                        "mysqld start",   "mysqld stop --timeout soon"};
    for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect(run(w, lines[i]), CLI_USAGE, "", "--help");
}

static void test_status(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, whole);
    r = run(w, "status");
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(
        r.out, "cluster demo   writer m1   leader m1   term 7   lease 812 ms   in sync: m2\n"
               "voters m1, m2, m3 (2 must be up)   vip 10.0.0.100   asked: m1, tandem 1.0\n"
               "safe: a failure of m1 now loses nothing\n"
               "\n"
               "NODE   STATE   HEALTH IN SYNC BEHIND LAG IO/SQL  VIP PRIO AGENT SERVER NOTE\n"
               "m1     writer  ok     -            -   - -       yes  100 1.0   -      \n"
               "`-m2   standby ok     yes          0 0 s yes/yes -     50 -     -      \n"
               "  `-m3 replica ok     -           12 3 s yes/no  -      - -     8.4.0  \n");
    free(r.out);
    free(r.err);
}

static void test_status_without_writer(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, lost);
    r = run(w, "status --check");
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.out, "leader none known"));
    assert_non_null(strstr(r.out, "NOT SAFE: no open writer; the last one is m1"));
    assert_non_null(strstr(r.out, "agent does not answer\n"));
    assert_non_null(strstr(r.out, "maintenance\n"));
    assert_non_null(strstr(r.out, "trouble\n  m1: its agent does not answer for 12 s\n"));
    free(r.out);
    free(r.err);
    expect(run(w, "status"), CLI_OK, "NOT SAFE", "");
}

static void test_status_json_and_watch(void **state)
{
    struct world *w = *state;
    json_t *o;
    struct run r;
    STATUS_IS(w, whole, whole, switched);
    r = run(w, "status --json");
    o = json_loads(r.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "writer")), "m1");
    json_decref(o);
    free(r.out);
    free(r.err);
    r = run(w, "status --watch --count 2");
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "writer m1"));
    assert_non_null(strstr(strstr(r.out, "writer m1"), "writer m2"));
    /* No control sequences into a file. */
    assert_null(strchr(r.out, '\033'));
    free(r.out);
    free(r.err);
}

static void view(const char *text, bool colours, char **ret_out)
{
    size_t n = 0;
    FILE *out = open_memstream(ret_out, &n);
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    status_view_print(o, colours, out);
    (void)fclose(out);
    json_decref(o);
}

/* Two servers that follow each other, an agent of another version: all are shown, nothing breaks.
 */
static void test_status_view_of_strange_input(void **state)
{
    static const char *const strange[] = {
        "{}",
        "{\"nodes\":7,\"writer\":3}",
        "{\"nodes\":[7,{},{\"name\":4}]}",
        ("{\"nodes\":[{\"name\":\"a\",\"source\":\"b\"},{\"name\":\"b\",\"source\":\"a\"},"
         "{\"name\":\"c\",\"source\":\"b\"},{\"name\":\"d\",\"source\":\"d\"}]}"),
    };
    char *out = NULL;
    (void)state;
    for (unsigned i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        view(strange[i], false, &out);
        assert_non_null(strstr(out, "cluster ?"));
        free(out);
    }
    view(strange[3], false, &out);
    assert_non_null(strstr(out, "\na "));
    assert_non_null(strstr(out, "`-b "));
    assert_non_null(strstr(out, "`-c "));
    assert_non_null(strstr(out, "\nd "));
    free(out);
    view(whole, true, &out);
    assert_non_null(strstr(out, "\033[1;32msafe\033[0m: a failure"));
    free(out);
}

/* ---- orders ---- */

static void test_simple_orders(void **state)
{
    struct world *w = *state;
    STATUS_IS(w, whole, paused, whole, maintained, maintained);
    w->other = "{\"ok\":true,\"text\":\"paused: no promotion\"}";
    expect(run(w, "pause"), CLI_OK, "paused: no promotion\nend it with: tandem resume\n", "");
    expect(run(w, "resume"), CLI_OK, "paused: no promotion\n", "");
    expect(run(w, "maintenance m1 on"), CLI_OK, "tandem maintenance m1 off\n", "");
    expect(run(w, "maintenance m2 on --no-promote"), CLI_OK,
           "tandem maintenance m2 off --no-promote\n", "");
    expect(run(w, "maintenance m2 off"), CLI_OK, "", "");
    expect(run(w, "maintenance m2 off --data-replaced"), CLI_OK, "", "");
    expect(run(w, "maintenance m2 on --data-replaced"), CLI_USAGE, "", "goes with off");
    expect(run(w, "maintenance m2 off --data-replaced --no-promote"), CLI_USAGE, "",
           "goes with off");
    w->other = "{\"ok\":false,\"text\":\"no such node\"}";
    expect(run(w, "maintenance zz on"), CLI_FAILED, "", "tandem maintenance: no such node\n");
    assert_string_equal(
        w->requests,
        "{\"op\":\"command\",\"kind\":\"pause\",\"node\":null,\"flag\":true}\n"
        "{\"op\":\"command\",\"kind\":\"resume\",\"node\":null,\"flag\":false}\n"
        "{\"op\":\"command\",\"kind\":\"maintenance\",\"node\":\"m1\",\"flag\":true}\n"
        "{\"op\":\"command\",\"kind\":\"no-promote\",\"node\":\"m2\",\"flag\":true}\n"
        "{\"op\":\"command\",\"kind\":\"maintenance\",\"node\":\"m2\",\"flag\":false}\n"
        "{\"op\":\"command\",\"kind\":\"data-replaced\",\"node\":\"m2\",\"flag\":false}\n"
        "{\"op\":\"command\",\"kind\":\"maintenance\",\"node\":\"zz\",\"flag\":true}\n");
}

static void test_order_that_is_not_recorded(void **state)
{
    struct world *w = *state;
    STATUS_IS(w, whole);
    w->other = "{\"ok\":true,\"text\":\"paused: no promotion\"}";
    expect(run(w, "pause"), CLI_FAILED, "", "accepted, but not recorded after");
}

static void test_switchover(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, whole, whole, ordered, ordered, switched);
    w->other = "{\"ok\":true,\"text\":\"switchover to m2 ordered\"}";
    r = run(w, "switchover --to m2");
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "switchover to m2 ordered\n"));
    assert_non_null(strstr(r.out, "leader m1, writer m1 (closed); m1: handing over"));
    assert_non_null(strstr(r.out, "leader m2, writer m2 (open); m1: follows; m2: writer"));
    assert_non_null(strstr(r.out, "m2 is the writer, "));
    free(r.out);
    free(r.err);
    assert_string_equal(
        w->requests,
        "{\"op\":\"command\",\"kind\":\"switchover\",\"node\":\"m2\",\"flag\":false}\n");
}

static void test_switchover_refused(void **state)
{
    struct world *w = *state;
    STATUS_IS(w, whole);
    w->other = "{\"ok\":false,\"text\":\"m2 is not in the in-sync set: catching up\"}";
    expect(run(w, "switchover"), CLI_FAILED, "", "m2 is not in the in-sync set: catching up");
}

static void test_switchover_given_up(void **state)
{
    struct world *w = *state;
    STATUS_IS(w, whole, ordered, whole);
    w->other = "{\"ok\":true,\"text\":\"switchover to m2 ordered\"}";
    expect(run(w, "switchover --to m2"), CLI_FAILED, "", "given up, the writer is m1");
}

static void test_follow_judge(void **state)
{
    struct follow_view v = {.writer = "m1", .leader = "m1", .open = true};
    (void)state;
    /* Accepted, not recorded yet: nothing is to be concluded. */
    assert_int_equal(follow_judge(&v, "m1", "m2", false), FOLLOW_WAIT);
    v.handover = true;
    assert_int_equal(follow_judge(&v, "m1", "m2", true), FOLLOW_WAIT);
    v.handover = false;
    assert_int_equal(follow_judge(&v, "m1", "m2", true), FOLLOW_GIVEN_UP);
    v.open = false;
    assert_int_equal(follow_judge(&v, "m1", "m2", true), FOLLOW_WAIT);
    v.writer = "m2";
    assert_int_equal(follow_judge(&v, "m1", "m2", true), FOLLOW_WAIT);
    v.open = true;
    assert_int_equal(follow_judge(&v, "m1", "m2", true), FOLLOW_DONE);
    assert_int_equal(follow_judge(&v, "m1", "", true), FOLLOW_DONE);
    /* Somebody else became it. */
    assert_int_equal(follow_judge(&v, "m1", "m3", true), FOLLOW_GIVEN_UP);
}

static void test_failover(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, lost, lost, switched);
    w->other = "{\"ok\":true,\"text\":\"forced promotion of m2 ordered; loss was accepted\"}";
    r = run(w, "failover --to m2 --accept-data-loss --yes");
    assert_int_equal(r.status, CLI_OK);
    assert_non_null(strstr(r.out, "m2 lacks 41 transactions of what m1 held when it was last heard "
                                  "of, 12.0 s ago"));
    assert_non_null(strstr(r.out, "m2 is the writer"));
    free(r.out);
    free(r.err);
    assert_string_equal(
        w->requests, "{\"op\":\"command\",\"kind\":\"failover\",\"node\":\"m2\",\"flag\":true}\n");
}

static void test_failover_of_a_writer_that_is_off(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, lost, lost, switched);
    w->other = "{\"ok\":true,\"text\":\"forced promotion of m2 ordered; loss was accepted\"}";
    r = run(w, "failover --to m2 --accept-data-loss --writer-is-off --yes");
    assert_int_equal(r.status, CLI_OK);
    free(r.out);
    free(r.err);
    assert_string_equal(
        w->requests, "{\"op\":\"command\",\"kind\":\"replace\",\"node\":\"m2\",\"flag\":true}\n");
    expect(run(w, "failover --to m2 --writer-is-off"), CLI_USAGE, "", "--accept-data-loss");
}

static void test_failover_refused(void **state)
{
    struct world *w = *state;
    STATUS_IS(w, lost);
    w->other = "{\"ok\":false,\"text\":\"... add --accept-data-loss\"}";
    expect(run(w, "failover --to m2"), CLI_FAILED, "", "add --accept-data-loss");
}

/* ---- history, explain ---- */

static const char histories[] =
    "{\"cluster\":\"demo\",\"node\":\"m1\",\"histories\":[{\"kind\":\"takeover\",\"outcome\":"
    "\"done\","
    "\"term\":8,\"wall_ms\":1700000000123,\"took_us\":412300,\"from\":\"m1\",\"to\":\"m2\","
    "\"table\":\"lead\",\"rule\":120,\"rule_text\":\"the last writer is gone\",\"why\":\"a, b\","
    "\"steps\":[{\"at_us\":0,\"took_us\":2100,\"node\":\"m2\",\"name\":\"seal\",\"note\":null},"
    "{\"at_us\":2100,\"took_us\":410200,\"node\":\"m2\",\"name\":\"open\",\"note\":\"late\"}]},"
    "{\"kind\":\"shrink\",\"wall_ms\":0,\"took_us\":1000,\"outcome\":\"done\",\"term\":7}]}";

static void test_history(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, whole);
    w->other = histories;
    r = run(w, "history 1");
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(
        r.out, "2023-11-14 22:13:20.123 UTC  takeover  m1 -> m2  412.3 ms  term 8  outcome: done\n"
               "because   rule lead/120: the last writer is gone\n"
               "facts     a, b\n"
               "AT MS TOOK MS NODE STEP NOTE\n"
               "  0.0     2.1 m2   seal \n"
               "  2.1   410.2 m2   open late\n");
    free(r.out);
    free(r.err);
    expect(run(w, "history"), CLI_OK, "1970-01-01 00:00:00.000 UTC  shrink  1.0 ms", "");
    expect(run(w, "history --json"), CLI_OK, "\"took_us\": 412300", "");
    w->other = "{\"cluster\":\"demo\",\"node\":\"m1\",\"histories\":[]}";
    expect(run(w, "history"), CLI_OK, "nothing has happened in cluster demo yet", "");
}

/* Numbers of 32 bits that ran over are not shown as if they were times. */
static void test_history_that_took_hours(void **state)
{
    struct world *w = *state;
    w->other = "{\"histories\":[{\"kind\":\"reclone\",\"wall_ms\":0,\"took_us\":4294967295,"
               "\"outcome\":\"done\",\"term\":7,\"steps\":[{\"at_us\":0,\"took_us\":4294967295,"
               "\"node\":\"m2\",\"name\":\"copy\"},{\"at_us\":4294967295,\"took_us\":2100,"
               "\"node\":\"m2\",\"name\":\"adopt\"}]}]}";
    agent_start(w);
    expect(run(w, "history"), CLI_OK, "reclone  over 71 min  term 7  outcome: done\n", "");
    expect(run(w, "history"), CLI_OK,
           "        0.0 over 71 min m2   copy  \n"
           "over 71 min         2.1 m2   adopt \n",
           "");
}

static void test_explain(void **state)
{
    struct world *w = *state;
    struct run r;
    STATUS_IS(w, whole);
    w->other =
        "{\"cluster\":\"demo\",\"node\":\"m1\",\"writer\":\"m1\",\"leader\":\"m1\",\"safe\":true,"
        "\"safe_text\":\"fine\",\"nodes\":[{\"name\":\"m1\",\"writer\":true,\"known\":true,"
        "\"fresh\":true,\"promotable\":true,\"verdicts\":[{\"table\":\"writer\",\"rule\":30,"
        "\"current\":true,\"verdict\":\"stay\",\"text\":\"all is "
        "well\",\"facts\":[\"lease\"],\"passed\":[{\"id\":10,"
        "\"verdict\":\"resign\",\"text\":\"mysqld is dead\",\"missing\":[\"dead\"],"
        "\"present\":[\"lease\"]}]},{\"table\":\"fence\",\"rule\":null}]},{\"name\":\"m3\","
        "\"known\":true,\"promotable\":false,\"why_not\":\"it is a replica\",\"verdicts\":[]}]}";
    r = run(w, "explain m1");
    assert_int_equal(r.status, CLI_OK);
    assert_string_equal(r.out,
                        "m1: is the writer\n"
                        "  writer  rule 30, stay: all is well\n"
                        "      about what the writer does next\n"
                        "      facts lease\n"
                        "      not  10 resign (mysqld is dead): needs dead; not while lease\n"
                        "  fence   may this node's server be writable: not judged here yet\n");
    free(r.out);
    free(r.err);
    expect(run(w, "explain"), CLI_OK,
           "m3: cannot be made the writer: it is a replica (what follows is old)", "");
    expect(run(w, "explain zz"), CLI_USAGE, "", "'zz' is no node of this cluster");
    expect(run(w, "explain --json"), CLI_OK, "\"all is well\"", "");
}

/* ---- mysqld stop ---- */

/* A process whose name is mysqld, in the data directory; it ends by SIGTERM or SIGKILL. */
static pid_t server_start(struct world *w)
{
    char path[128];
    char text[32];
    int ready[2];
    struct pollfd fd = {.events = POLLIN};
    pid_t pid;
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *f = fopen("/proc/self/comm", "we");
        (void)snprintf(path, sizeof path, "%s/data", w->dir);
        if (f == NULL || fputs("mysqld", f) < 0 || fclose(f) != 0 || chdir(path) != 0)
            _exit(1);
        (void)snprintf(path, sizeof path, "%s/mysqld.pid", w->dir);
        (void)snprintf(text, sizeof text, "%d\n", getpid());
        f = fopen(path, "we");
        if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
            _exit(1);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    fd.fd = ready[0];
    assert_int_equal(poll(&fd, 1, 5000), 1);
    assert_int_equal(read(ready[0], text, 1), 1); /* 0: it ended before it was ready */
    (void)close(ready[0]);
    return pid;
}

/* By which signal it ended; 0 = it lives. */
static int server_end(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, WNOHANG) == pid)
        return WTERMSIG(status);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return 0;
}

/* systemd runs ExecStop after a crash, too: that must not put the node into maintenance. */
static void test_mysqld_is_gone(void **state)
{
    struct world *w = *state;
    char path[128];
    STATUS_IS(w, whole);
    w->other = "{\"ok\":true,\"text\":\"maintenance on\"}";
    expect(run(w, "mysqld stop"), CLI_OK, "mysqld of m1 does not run", "");
    (void)snprintf(path, sizeof path, "%s/mysqld.pid", w->dir);
    write_file(path, "1\n");
    expect(run(w, "mysqld stop"), CLI_OK, "does not run", "");
    /* A pid that somebody else has now: this very test. */
    {
        char text[32];
        (void)snprintf(text, sizeof text, "%d\n", getpid());
        write_file(path, text);
    }
    expect(run(w, "mysqld stop"), CLI_OK, "does not run", "");
    assert_string_equal(w->requests, "");
}

static void test_mysqld_without_agent(void **state)
{
    struct world *w = *state;
    pid_t pid = server_start(w);
    expect(run(w, "mysqld stop"), CLI_OK, "SIGKILL", "no agent runs on this node");
    assert_int_equal(server_end(pid), SIGKILL);
    w->closed = true;
    pid = server_start(w);
    expect(run(w, "mysqld stop"), CLI_OK, "SIGTERM", "no agent runs on this node");
    assert_int_equal(server_end(pid), SIGTERM);
}

static void test_mysqld_of_the_writer_hands_over(void **state)
{
    struct world *w = *state;
    pid_t pid = server_start(w);
    w->closed = true; /* asked only once the status says so */
    STATUS_IS(w, whole, ordered, switched);
    w->other = "{\"ok\":true,\"text\":\"maintenance on for m1\"}";
    expect(run(w, "mysqld stop"), CLI_OK,
           "maintenance on for m1; when the server may run again: tandem maintenance m1 off", "");
    assert_int_equal(server_end(pid), SIGTERM);
    assert_int_equal(w->next_status, 2);
    assert_string_equal(
        w->requests,
        "{\"op\":\"command\",\"kind\":\"maintenance\",\"node\":\"m1\",\"flag\":true}\n");
}

static void test_mysqld_of_the_writer_refused(void **state)
{
    struct world *w = *state;
    pid_t pid = server_start(w);
    STATUS_IS(w, whole);
    w->other = "{\"ok\":false,\"text\":\"m1 is the writer and no standby is in sync\"}";
    expect(run(w, "mysqld stop"), CLI_FAILED, "", "Nothing was stopped. With --force");
    assert_int_equal(kill(pid, 0), 0);
    expect(run(w, "mysqld stop --force"), CLI_OK, "SIGKILL", "no standby is in sync");
    assert_int_equal(server_end(pid), SIGKILL);
}

/* ---- salvages ---- */

/* Makes or removes the directories of one salvage of m1. */
static void salvage_dirs(const struct world *w, bool make)
{
    static const char *const names[] = {"m1", "m1/salvage", "m1/salvage/one"};
    char path[128];
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[make ? i : 2 - i]);
        assert_int_equal(make ? mkdir(path, 0700) : rmdir(path), 0);
    }
}

static void test_salvage_restore_and_the_agent(void **state)
{
    struct world *w = *state;
    salvage_dirs(w, /* make= */ true);
    STATUS_IS(w, whole, maintained);
    expect(run(w, "salvage restore one"), CLI_FAILED, "", "first `tandem maintenance m1 on`");
    assert_int_equal(w->restored, 0);
    expect(run(w, "salvage restore one"), CLI_OK, "m1/salvage/one.", "");
    assert_int_equal(w->restored, 1);
    salvage_dirs(w, /* make= */ false);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_no_agent),
        T(test_usage),
        T(test_status),
        T(test_status_without_writer),
        T(test_status_json_and_watch),
        cmocka_unit_test(test_status_view_of_strange_input),
        T(test_simple_orders),
        T(test_order_that_is_not_recorded),
        T(test_switchover),
        T(test_switchover_refused),
        T(test_switchover_given_up),
        cmocka_unit_test(test_follow_judge),
        T(test_failover),
        T(test_failover_of_a_writer_that_is_off),
        T(test_failover_refused),
        T(test_history),
        T(test_history_that_took_hours),
        T(test_explain),
        T(test_mysqld_is_gone),
        T(test_mysqld_without_agent),
        T(test_mysqld_of_the_writer_hands_over),
        T(test_salvage_restore_and_the_agent),
        T(test_mysqld_of_the_writer_refused),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
