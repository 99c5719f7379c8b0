/* SPDX-License-Identifier: Apache-2.0 */
/* The process watcher with a real MariaDB server: found, started, killed, told how it ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sys/process.h"
#include "io/sys/process_proc.h"
#include "mysql_fixture.h"

struct world {
    uv_loop_t loop;
    uv_timer_t tick; /* the waits below look at the time */
    struct fixture_server server;
    struct process_config config;
    struct process *process;
    unsigned started;
    unsigned died;
    unsigned absent;
    enum process_end end;
    struct incarnation incarnation;
    bool job_done;
    struct job_result result;
    bool start_when_died;
    bool killed;
    bool closed;
};

static void on_started(void *data, const struct incarnation *incarnation)
{
    struct world *w = data;
    w->started++;
    w->incarnation = *incarnation;
    uv_stop(&w->loop);
}

static void on_died(void *data, const struct incarnation *incarnation, enum process_end end)
{
    struct world *w = data;
    assert_true(incarnation_equal(incarnation, &w->incarnation));
    w->died++;
    w->end = end;
    uv_stop(&w->loop);
    if (w->start_when_died) {
        struct job job = {.kind = JOB_START, .timeout_ms = 20000};
        w->job_done = false;
        assert_int_equal(process_job_start(w->process, 5, &job), 0);
    }
}

static void on_absent(void *data, enum process_end end)
{
    struct world *w = data;
    w->absent++;
    w->end = end;
    uv_stop(&w->loop);
}

static void on_job(void *data, uint64_t id, const struct job_result *result,
                   const struct incarnation *incarnation)
{
    struct world *w = data;
    (void)incarnation;
    uv_stop(&w->loop);
    if (id == 6) {
        assert_int_equal(result->outcome, JOB_DONE);
        assert_true(w->job_done); /* the start it ended came before */
        w->killed = true;
        return;
    }
    assert_int_equal(id, 5);
    assert_false(w->job_done);
    w->job_done = true;
    w->result = *result;
}

static void on_closed(void *data)
{
    struct world *w = data;
    w->closed = true;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void watch(struct world *w)
{
    struct errmsg msg;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->tick), 0);
    assert_int_equal(uv_timer_start(&w->tick, on_tick, 50, 50), 0);
    w->started = 0;
    w->died = 0;
    w->absent = 0;
    w->closed = false;
    w->config.loop = &w->loop;
    w->config.callbacks = (struct process_callbacks){w, on_started, on_died, on_absent, on_job};
    assert_int_equal(process_open(&w->config, &msg, &w->process), 0);
    assert_int_equal(w->started, 0); /* never from within the call */
}

static void unwatch(struct world *w)
{
    process_close(w->process, on_closed, w);
    uv_close((uv_handle_t *)&w->tick, NULL);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
        ;
    assert_true(w->closed);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void turn_for_ms(struct world *w, unsigned ms)
{
    int64_t until = fixture_now_us() + (int64_t)ms * 1000;
    while (fixture_now_us() < until)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static void until_started(struct world *w, unsigned n)
{
    int64_t until = fixture_now_us() + 20000000;
    while (w->started < n) {
        assert_true(fixture_now_us() < until);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

static void until_died(struct world *w, unsigned n)
{
    int64_t until = fixture_now_us() + 20000000;
    while (w->died < n) {
        assert_true(fixture_now_us() < until);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

static void run(struct world *w, int kind, uint32_t timeout_ms, int outcome)
{
    struct job job = {.kind = kind, .timeout_ms = timeout_ms};
    w->job_done = false;
    assert_int_equal(process_job_start(w->process, 5, &job), 0);
    assert_int_equal(process_job_start(w->process, 5, &job), ERR_BUSY);
    while (!w->job_done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    (void)fprintf(stderr, "# %s: %s %s\n", job_kind_text(kind), job_outcome_text(w->result.outcome),
                  w->result.detail);
    assert_int_equal(w->result.outcome, outcome);
}

static void use_command(struct world *w, const char *command)
{
    (void)snprintf(w->config.start_command, sizeof w->config.start_command, "%s", command);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    (void)fclose(file);
}

/* ---- tests ---- */

static void server_is_found_and_its_crash_known_at_once(void **state)
{
    struct world *w = *state;
    struct incarnation read;
    siginfo_t end;
    watch(w);
    until_started(w, 1);
    assert_int_equal(w->incarnation.pid, w->server.pid);
    assert_int_equal(w->absent, 0);
    assert_true(w->incarnation.start_ticks > 0);
    assert_int_equal(process_incarnation_read((uint32_t)w->server.pid, &read), 0);
    assert_true(incarnation_equal(&read, &w->incarnation));
    assert_int_equal(kill(w->server.pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)w->server.pid, &end, WEXITED | WNOWAIT), 0);
    (void)uv_run(&w->loop,
                 UV_RUN_NOWAIT); /* told by the kernel, not found by looking now and then */
    assert_int_equal(w->died, 1);
    assert_int_equal(w->end, PROCESS_END_CRASH);
    (void)waitpid(w->server.pid, NULL, 0);
    assert_int_equal(process_incarnation_read((uint32_t)w->server.pid, &read), ERR_NOTFOUND);
    w->server.pid = 0;
    assert_true(incarnation_is_none(&(struct incarnation){0}));
    assert_int_equal(process_incarnation(w->process).pid, 0);
    unwatch(w);
}

/* Its error log has an older shutdown in it. */
static void absence_is_told_once(void **state)
{
    struct world *w = *state;
    int64_t end_us = fixture_now_us() + 20000000;
    char command[1000];
    fixture_server_command(&w->server, NULL, command, sizeof command);
    use_command(w, command);
    watch(w);
    while (w->absent == 0) {
        assert_true(fixture_now_us() < end_us);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    run(w, JOB_START, 20000, JOB_DONE);
    assert_int_equal(w->absent, 1);
    assert_int_equal(w->died, 0);
    run(w, JOB_KILL, 5000, JOB_DONE);
    assert_int_equal(w->end, PROCESS_END_CRASH);
    turn_for_ms(w, 300);
    assert_int_equal(w->absent, 1);
    unwatch(w);
}

static void start_and_kill(void **state)
{
    struct world *w = *state;
    char command[1000];
    uint32_t pid;
    fixture_server_command(&w->server, NULL, command, sizeof command);
    use_command(w, command);
    watch(w);
    run(w, JOB_START, 20000, JOB_DONE);
    assert_int_equal(w->started, 1);
    pid = w->incarnation.pid;
    assert_true(proc_is_server(pid, w->config.data_dir));
    run(w, JOB_START, 1000, JOB_DONE); /* idempotent */
    assert_int_equal(w->started, 1);
    run(w, JOB_KILL, 5000, JOB_DONE);
    assert_int_equal(w->died, 1);
    assert_int_equal(proc_state(pid), PROC_GONE);
    run(w, JOB_KILL, 5000, JOB_DONE);
    unwatch(w);
}

/* A writer without a standby is started again in the same moment. */
static void start_is_asked_for_when_told_of_the_death(void **state)
{
    struct world *w = *state;
    char command[1000];
    fixture_server_command(&w->server, NULL, command, sizeof command);
    use_command(w, command);
    watch(w);
    run(w, JOB_START, 20000, JOB_DONE);
    w->start_when_died = true;
    assert_int_equal(kill((pid_t)w->incarnation.pid, SIGKILL), 0);
    until_died(w, 1);
    w->start_when_died = false;
    while (!w->job_done)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->result.outcome, JOB_DONE);
    assert_int_equal(w->started, 2);
    run(w, JOB_KILL, 5000, JOB_DONE);
    unwatch(w);
}

static void failed_start_says_why(void **state)
{
    struct world *w = *state;
    use_command(w, "echo one line; echo it is broken >&2; exit 3");
    watch(w);
    run(w, JOB_START, 5000, JOB_FAILED);
    assert_non_null(strstr(w->result.detail, "status 3"));
    assert_non_null(strstr(w->result.detail, "it is broken"));
    run(w, JOB_START, 5000, JOB_FAILED); /* and again */
    unwatch(w);
}

/* Its words go elsewhere, and are not kept for ever; it is run all the same. */
static void output_is_no_condition(void **state)
{
    struct world *w = *state;
    char kept[PATH_TEXT_MAX];
    struct stat st;
    memcpy(kept, w->config.start_output, sizeof kept);
    use_command(w, "echo unheard; exit 4");
    (void)snprintf(w->config.start_output, PATH_TEXT_MAX, "/nonexistent/start.log");
    watch(w);
    run(w, JOB_START, 5000, JOB_FAILED);
    assert_string_equal(w->result.detail, "start command ended with status 4: no output");
    unwatch(w);
    memcpy(w->config.start_output, kept, sizeof kept);
    use_command(w, "head -c 300000 /dev/zero; echo; echo much; exit 5");
    watch(w);
    run(w, JOB_START, 5000, JOB_FAILED);
    assert_int_equal(stat(kept, &st), 0);
    assert_true(st.st_size > 300000);
    run(w, JOB_START, 5000, JOB_FAILED);
    assert_string_equal(w->result.detail, "start command ended with status 5: much");
    assert_int_equal(stat(kept, &st), 0);
    assert_true(st.st_size > 300000 && st.st_size < 600000);
    unwatch(w);
}

static void start_without_a_server_times_out(void **state)
{
    struct world *w = *state;
    use_command(w, "echo nothing to do");
    watch(w);
    run(w, JOB_START, 3000, JOB_TIMEOUT);
    assert_non_null(strstr(w->result.detail, "ended well: nothing to do"));
    unwatch(w);
    use_command(w, "sleep 5");
    watch(w);
    run(w, JOB_START, 200, JOB_TIMEOUT);
    assert_non_null(strstr(w->result.detail, "goes on"));
    unwatch(w);
}

static void start_for_nothing_is_noticed(void **state)
{
    struct world *w = *state;
    use_command(w, "true");
    watch(w);
    run(w, JOB_START, 60000, JOB_FAILED);
    assert_non_null(strstr(w->result.detail, "no server runs on"));
    unwatch(w);
}

/* A server writes its pid file late, after its recovery. */
static void server_without_a_pid_file_is_waited_for(void **state)
{
    struct world *w = *state;
    const char *file = w->config.pid_file;
    char command[1000];
    (void)snprintf(command, sizeof command,
                   "mkdir -p %s.s && cp /bin/sleep %s.s/mysqld && cd %s && "
                   "{ %s.s/mysqld 8 >/dev/null & }",
                   file, file, w->config.data_dir, file);
    use_command(w, command);
    watch(w);
    run(w, JOB_START, 6500, JOB_TIMEOUT);
    unwatch(w);
    use_command(w, "true");
    watch(w);
    run(w, JOB_START, 60000, JOB_FAILED); /* when it has ended */
    assert_non_null(strstr(w->result.detail, "no server runs on"));
    unwatch(w);
}

/* It is never watched: it dies before it has its data directory as working directory. */
static void run_elsewhere(struct world *w, const char *seconds)
{
    const char *file = w->config.pid_file;
    char command[1000];
    (void)snprintf(command, sizeof command,
                   "mkdir -p %s.d && cp /bin/sleep %s.d/mysqld && cd / && "
                   "{ %s.d/mysqld %s >/dev/null & echo $! >%s; }",
                   file, file, file, seconds, file);
    use_command(w, command);
    watch(w);
    run(w, JOB_START, 20000, JOB_FAILED);
    assert_non_null(strstr(w->result.detail, "ended at once"));
    assert_int_equal(w->started, 0);
    unwatch(w);
}

static void server_that_ends_at_once_is_not_waited_for(void **state)
{
    run_elsewhere(*state, "0.5");
}

/* Longer than a command is given to have made a server: it has made one. */
static void server_on_its_way_is_waited_for(void **state)
{
    run_elsewhere(*state, "7");
}

static void kill_ends_a_start(void **state)
{
    struct world *w = *state;
    struct job start = {.kind = JOB_START, .timeout_ms = 60000};
    struct job kill_job = {.kind = JOB_KILL, .timeout_ms = 1000};
    use_command(w, "sleep 3");
    watch(w);
    w->job_done = false;
    assert_int_equal(process_job_start(w->process, 5, &start), 0);
    turn_for_ms(w, 50);
    assert_int_equal(process_job_start(w->process, 6, &kill_job), 0);
    while (!w->killed)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->result.outcome, JOB_FAILED);
    unwatch(w);
}

static void bad_jobs_are_refused(void **state)
{
    struct world *w = *state;
    struct job seal = {.kind = JOB_SEAL, .timeout_ms = 10};
    struct job start = {.kind = JOB_START, .timeout_ms = 10};
    use_command(w, "");
    watch(w);
    assert_int_equal(process_job_start(w->process, 5, &seal), ERR_INVAL);
    assert_int_equal(process_job_start(w->process, 5, &start), ERR_INVAL);
    unwatch(w);
}

/* What the agent started lives on when the agent dies. */
static void server_survives_the_agent(void **state)
{
    struct world *w = *state;
    char command[1000];
    uint32_t pid;
    int status = -1;
    pid_t agent;
    fixture_server_command(&w->server, NULL, command, sizeof command);
    use_command(w, command);
    agent = fork();
    if (agent == 0) {
        struct job job = {.kind = JOB_START, .timeout_ms = 20000};
        watch(w);
        w->job_done = false;
        if (process_job_start(w->process, 5, &job) != 0)
            _exit(1);
        while (!w->job_done)
            (void)uv_run(&w->loop, UV_RUN_ONCE);
        _exit(w->result.outcome == JOB_DONE ? 0 : 1);
    }
    assert_int_equal(waitpid(agent, &status, 0), agent);
    assert_int_equal(status, 0);
    pid = proc_pid_file_read(w->config.pid_file);
    assert_int_equal(getpgid((pid_t)pid), (pid_t)pid); /* no signal of our group reaches it */
    watch(w);
    until_started(w, 1);
    assert_int_equal(w->incarnation.pid, pid);
    fixture_server_wait(&w->server); /* MariaDB may hang if SIGTERM comes before it is ready */
    assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
    until_died(w, 1);
    assert_int_equal(w->end, PROCESS_END_SHUTDOWN);
    unwatch(w);
}

static void stale_pid_files_are_not_believed(void **state)
{
    struct world *w = *state;
    struct fixture_server *s = &w->server;
    char text[32];
    char saved[PATH_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%d\n", (int)getpid());
    write_text(s->pid_file, text);
    watch(w);
    turn_for_ms(w, 250);
    assert_int_equal(w->started, 0);
    unwatch(w);
    write_text(s->pid_file, "rubbish\n");
    watch(w);
    turn_for_ms(w, 150);
    assert_int_equal(w->started, 0);
    unwatch(w);
    /* a live server, but of another data directory */
    fixture_server_start(s, NULL);
    (void)snprintf(saved, sizeof saved, "%s", w->config.data_dir);
    (void)snprintf(w->config.data_dir, sizeof w->config.data_dir, "%s", fixture_dir());
    watch(w);
    turn_for_ms(w, 250);
    assert_int_equal(w->started, 0);
    unwatch(w);
    (void)snprintf(w->config.data_dir, sizeof w->config.data_dir, "%s", saved);
    watch(w);
    until_started(w, 1);
    unwatch(w);
    fixture_server_kill(s);
}

static void *thread_that_stays(void *arg)
{
    while (pause() < 0)
        ;
    return arg;
}

/* Its first thread is gone, as of a server that is being ended, another one is not. */
static pid_t half_dead_process(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        (void)prctl(PR_SET_NAME, "mysqld");
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pthread_create(&thread, NULL, thread_that_stays, NULL) != 0)
            _exit(1);
        pthread_exit(NULL);
    }
    return pid;
}

static bool first_thread_is_gone(pid_t pid)
{
    char path[64], text[256] = "";
    FILE *f;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    assert_non_null(f);
    (void)fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    return strstr(text, ") Z ") != NULL;
}

static void server_that_is_being_ended_is_still_there(void **state)
{
    struct incarnation i;
    int64_t end_us = fixture_now_us() + 10000000;
    pid_t pid = half_dead_process();
    (void)state;
    while (!first_thread_is_gone(pid))
        assert_true(fixture_now_us() < end_us);
    assert_int_equal(proc_state((uint32_t)pid), PROC_ALIVE);
    assert_true(proc_is_server((uint32_t)pid, "/nonexistent"));
    assert_int_equal(process_incarnation_read((uint32_t)pid, &i), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (proc_state((uint32_t)pid) == PROC_ALIVE)
        assert_true(fixture_now_us() < end_us);
    assert_int_equal(proc_state((uint32_t)pid), PROC_ZOMBIE);
    assert_false(proc_is_server((uint32_t)pid, ""));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(proc_state((uint32_t)pid), PROC_GONE);
}

static void ends_are_read_from_the_log(void **state)
{
#define MARIADB_BEGINS "[Note] Starting MariaDB 10.11.19-MariaDB as process 7\n"
#define MARIADB_SERVES "[Note] mariadbd: ready for connections.\n"
#define MARIADB_ENDS "[Note] /usr/sbin/mariadbd (initiated by: unknown): Normal shutdown\n"
#define MYSQL_BEGINS "[System] [MY-010116] [Server] mysqld (mysqld 9.7.4) starting as process 7\n"
#define MYSQL_ENDS                                                                                \
    "[System] [MY-013172] [Server] Received SHUTDOWN from user <via user signal>. Shutting down " \
    "mysqld (Version: 9.7.4).\n"
    static const struct {
        const char *log;
        uint64_t offset;
        enum process_end end;
    } cases[] = {
        /* a shutdown before the start belongs to the run before */
        {"[Note] mariadbd: Shutdown complete\n" MARIADB_SERVES, 0, PROCESS_END_CRASH},
        {"[Note] mariadbd: Shutdown complete\n" MARIADB_SERVES, 34, PROCESS_END_CRASH},
        {MARIADB_BEGINS MARIADB_ENDS MARIADB_BEGINS, 0, PROCESS_END_CRASH},
        {MARIADB_BEGINS MARIADB_ENDS MARIADB_BEGINS, 1000000 /* rotated */, PROCESS_END_CRASH},
        {MYSQL_BEGINS MYSQL_ENDS MYSQL_BEGINS, 0, PROCESS_END_CRASH},
        {MARIADB_BEGINS MARIADB_SERVES MARIADB_ENDS, 0, PROCESS_END_SHUTDOWN},
        {MYSQL_BEGINS MYSQL_ENDS, 0, PROCESS_END_SHUTDOWN},
        /* it was on its way down already when it was first seen */
        {MARIADB_SERVES MARIADB_ENDS, 100, PROCESS_END_SHUTDOWN},
        /* the start is further back than what is read */
        {MARIADB_ENDS "[Note] x\n", sizeof MARIADB_ENDS - 1, PROCESS_END_CRASH},
        {MARIADB_ENDS, 0, PROCESS_END_SHUTDOWN},
        {MARIADB_ENDS, 1000000, PROCESS_END_SHUTDOWN},
        {MYSQL_ENDS, 0, PROCESS_END_SHUTDOWN},
        {"[ERROR] mysqld got signal 6\n", 0, PROCESS_END_CRASH},
    };
    char path[200];
    (void)state;
    (void)snprintf(path, sizeof path, "%.150s/some.log", fixture_dir());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_text(path, cases[i].log);
        assert_int_equal(process_end_from_log(path, cases[i].offset), cases[i].end);
    }
    assert_int_equal(process_end_from_log("/nonexistent/log", 0), PROCESS_END_UNKNOWN);
    assert_int_equal(process_end_from_log("", 0), PROCESS_END_UNKNOWN);
}

static int group_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    fixture_init(FIXTURE_MARIADB);
    fixture_server_make(&w->server, 1, NULL);
    (void)snprintf(w->config.pid_file, PATH_TEXT_MAX, "%.250s", w->server.pid_file);
    (void)snprintf(w->config.data_dir, PATH_TEXT_MAX, "%.250s", w->server.data_dir);
    (void)snprintf(w->config.error_log, PATH_TEXT_MAX, "%.250s", w->server.error_log);
    (void)snprintf(w->config.start_output, PATH_TEXT_MAX, "%.200s/start.log", w->server.dir);
    *state = w;
    return 0;
}

static int group_teardown(void **state)
{
    uint32_t pid = proc_pid_file_read(((struct world *)*state)->config.pid_file);
    if (pid != 0 && proc_is_server(pid, ((struct world *)*state)->config.data_dir))
        (void)kill((pid_t)pid, SIGKILL); /* after a failure */
    fixture_end();
    free(*state);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_is_found_and_its_crash_known_at_once),
        cmocka_unit_test(absence_is_told_once),
        cmocka_unit_test(start_and_kill),
        cmocka_unit_test(start_is_asked_for_when_told_of_the_death),
        cmocka_unit_test(failed_start_says_why),
        cmocka_unit_test(output_is_no_condition),
        cmocka_unit_test(start_without_a_server_times_out),
        cmocka_unit_test(start_for_nothing_is_noticed),
        cmocka_unit_test(server_without_a_pid_file_is_waited_for),
        cmocka_unit_test(server_that_ends_at_once_is_not_waited_for),
        cmocka_unit_test(server_on_its_way_is_waited_for),
        cmocka_unit_test(kill_ends_a_start),
        cmocka_unit_test(bad_jobs_are_refused),
        cmocka_unit_test(server_survives_the_agent),
        cmocka_unit_test(stale_pid_files_are_not_believed),
        cmocka_unit_test(server_that_is_being_ended_is_still_there),
        cmocka_unit_test(ends_are_read_from_the_log),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
