/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job on a data directory made of a sample: a file of MySQL 9.7.4 with GTIDs 1-3 and tagx:1-2,
 * its closing event taken off and marked as in use, as a killed server leaves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/store/rewind_job.h"
#include "io/store/undo_text.h"
#include "util/crc32.h"

#define M "51f7dd9b-e6bf-11f1-bffc-02fc00000001:"
#define FILE_SIZE 1379
#define CUT 827 /* start of tagx:1 */

struct fixture {
    char dir[64];
    uint8_t content[4096];
    struct rewind_request req;
    struct rewind_job job;
    struct rewind_result result;
    int calls;
};

static void write_file(const char *dir, const char *name, const void *data, size_t n)
{
    char path[256];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    (void)fclose(f);
}

static size_t read_file(const char *dir, const char *name, uint8_t *data, size_t size)
{
    char path[1024];
    FILE *f;
    size_t n;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(data, 1, size, f);
    (void)fclose(f);
    return n;
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    (void)snprintf(x->dir, sizeof x->dir, "/tmp/test_rewind_job.XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    assert_true(read_file(BINLOG_SAMPLES, "mysql-9.7-1", x->content, sizeof x->content) >
                FILE_SIZE);
    x->content[BINLOG_MAGIC_SIZE + 17] |= BINLOG_FLAG_IN_USE;
    write_file(x->dir, "m1-bin.000002", x->content, FILE_SIZE);
    write_file(x->dir, "m1-bin.index", "./m1-bin.000001\n./m1-bin.000002\n", 32);
    write_file(x->dir, "err.log", "12345", 5);
    x->req.kind = REWIND_JOB_CUT;
    x->req.flavour = GTID_MYSQL;
    x->req.epoch = 7;
    x->req.facts = (struct rewind_facts){true, true, true, true, true, true};
    (void)snprintf(x->req.data_dir, sizeof x->req.data_dir, "%s", x->dir);
    (void)snprintf(x->req.salvage_dir, sizeof x->req.salvage_dir, "%s/salvage", x->dir);
    (void)snprintf(x->req.error_log, sizeof x->req.error_log, "%s/err.log", x->dir);
    (void)snprintf(x->req.node, sizeof x->req.node, "m1");
    (void)snprintf(x->req.seal, sizeof x->req.seal, M "1-3");
    (void)snprintf(x->req.writer, sizeof x->req.writer, M "1-9");
    *state = x;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    (void)nftw(x->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(x);
    return 0;
}

static off_t size_of(const struct fixture *x)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/m1-bin.000002", x->dir);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static unsigned salvages(const struct fixture *x)
{
    DIR *d = opendir(x->req.salvage_dir);
    const struct dirent *e;
    unsigned n = 0;
    while (d != NULL && (e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static void on_done(void *data, const struct rewind_result *result)
{
    struct fixture *x = data;
    x->calls++;
    x->result = *result;
}

static void run(struct fixture *x, bool cancel)
{
    uv_loop_t loop;
    x->calls = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(rewind_job_start(&x->job, &loop, &x->req, on_done, x), 0);
    assert_int_equal(rewind_job_start(&x->job, &loop, &x->req, on_done, x), ERR_BUSY);
    if (cancel)
        rewind_job_cancel(&x->job);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(x->calls, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void check_refused(struct fixture *x, const char *reason)
{
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_string_equal(rewind_reason_id(x->result.plan.reason), reason);
    assert_false(x->result.cut_done);
    assert_int_equal(size_of(x), FILE_SIZE);
}

static void test_cut(void **state)
{
    struct fixture *x = *state;
    const struct rewind_result *r = &x->result;
    uint8_t data[4096];
    run(x, false);
    assert_int_equal(r->err, 0);
    assert_int_equal(r->plan.verdict, REWIND_CUT);
    assert_int_equal(r->plan.cut, CUT);
    assert_int_equal(r->plan.expected_rollbacks, 2);
    assert_true(r->cut_done);
    assert_int_equal(r->file_size, FILE_SIZE);
    assert_int_equal(r->error_log_size, 5);
    assert_int_equal(r->salvaged_groups, 2);
    assert_null(r->plan.seal);
    assert_int_equal(read_file(x->dir, "m1-bin.000002", data, sizeof data), CUT);
    assert_memory_equal(data, x->content, CUT); /* the flag "in use" is still there */
    /* header of 158 bytes without that flag, then what was cut, byte for byte */
    assert_int_equal(read_file(r->salvage_path, "events.binlog", data, sizeof data),
                     158 + FILE_SIZE - CUT);
    assert_int_equal(data[BINLOG_MAGIC_SIZE + 17] & BINLOG_FLAG_IN_USE, 0);
    assert_memory_equal(data + 158, x->content + CUT, FILE_SIZE - CUT);
    /* done again: nothing left to do */
    run(x, false);
    assert_int_equal(r->plan.verdict, REWIND_NONE);
    assert_string_equal(r->salvage_path, "");
    assert_int_equal(salvages(x), 1);
}

/* It is on the disk before the cut, and a second job that finds nothing to cut leaves it there. */
static void test_a_cut_is_noted_until_it_is_proven(void **state)
{
    struct fixture *x = *state;
    struct recovery_report good = {
        .crash_recovery = true, .found = true, .ready = true, .rolled_back = 2};
    struct server_facts f = {.flavour = SERVER_MYSQL, .executed = M "1-3"};
    struct pending_cut p;
    char why[DETAIL_TEXT_MAX];
    (void)snprintf(x->req.pending_path, sizeof x->req.pending_path, "%s/rewind.json", x->dir);
    assert_int_equal(pending_cut_read(x->req.pending_path, &p), ERR_NOTFOUND);
    run(x, false);
    assert_true(x->result.cut_done);
    run(x, false);
    assert_false(x->result.cut_done);
    assert_int_equal(pending_cut_read(x->req.pending_path, &p), 0);
    assert_false(p.damaged);
    assert_int_equal(p.flavour, GTID_MYSQL);
    assert_int_equal(p.cut, CUT);
    assert_int_equal(p.expected_rollbacks, 2);
    assert_int_equal(p.error_log_offset, 5);
    assert_non_null(strstr(p.binlog_file, "m1-bin.000002"));
    assert_true(pending_cut_is_done(&p));
    pending_cut_judge(&p, &good, why, sizeof why);
    assert_string_equal(why, "");
    good.rolled_back = 1;
    pending_cut_judge(&p, &good, why, sizeof why);
    assert_non_null(strstr(why, "recovery-too-few"));
    /* Enough were rolled back, and one of the cut ones was not among them. */
    pending_cut_compare(&p, &f, why, sizeof why);
    assert_string_equal(why, "");
    (void)snprintf(f.executed, sizeof f.executed, "%s", p.gtids);
    pending_cut_compare(&p, &f, why, sizeof why);
    assert_non_null(strstr(why, "recovery-committed"));
    f.executed[0] = '\0';
    f.xa_prepared = XA_PREPARED_UNKNOWN;
    pending_cut_compare(&p, &f, why, sizeof why);
    assert_non_null(strstr(why, "recovery-xa: whether"));
    f.xa_prepared = 1;
    pending_cut_compare(&p, &f, why, sizeof why);
    assert_non_null(strstr(why, "recovery-xa"));
    pending_cut_compare(&p, NULL, why, sizeof why);
    assert_non_null(strstr(why, "recovery-unknown"));
    pending_cut_remove(x->req.pending_path);
    assert_int_equal(pending_cut_read(x->req.pending_path, &p), ERR_NOTFOUND);
}

static void test_a_note_that_cannot_be_read_proves_nothing(void **state)
{
    struct fixture *x = *state;
    struct recovery_report good = {
        .crash_recovery = true, .found = true, .ready = true, .rolled_back = 9};
    static const char *const bad[] = {"", "{", "{}", "{\"format\": \"tandem-rewind-9\"}"};
    struct pending_cut p;
    char path[128], why[DETAIL_TEXT_MAX];
    (void)snprintf(path, sizeof path, "%s/rewind.json", x->dir);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file(x->dir, "rewind.json", bad[i], strlen(bad[i]));
        assert_int_equal(pending_cut_read(path, &p), 0);
        assert_true(p.damaged);
        assert_true(pending_cut_is_done(&p));
        pending_cut_judge(&p, &good, why, sizeof why);
        assert_non_null(strstr(why, "recovery-unknown"));
    }
}

/* Noted, and then the agent died: the file has its full length. */
static void test_noted_and_not_cut(void **state)
{
    struct fixture *x = *state;
    struct pending_cut p = {.flavour = GTID_MYSQL, .cut = CUT};
    (void)snprintf(p.binlog_file, sizeof p.binlog_file, "%s/m1-bin.000002", x->dir);
    assert_false(pending_cut_is_done(&p));
    run(x, false);
    assert_true(pending_cut_is_done(&p));
}

/* What is in no file cannot be found, which is an answer: else it would be asked for ever. */
static void test_without_binlogs_nothing_is_found(void **state)
{
    struct fixture *x = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/m1-bin.index", x->dir);
    assert_int_equal(unlink(path), 0);
    x->req.kind = REWIND_JOB_EXTRACT;
    (void)snprintf(x->req.extra, sizeof x->req.extra, M "1-3");
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_int_equal(x->result.salvaged_groups, 0);
    assert_int_equal(x->result.evidence, 0);
    assert_string_equal(x->result.salvage_path, "");
}

static void test_plan_changes_nothing(void **state)
{
    struct fixture *x = *state;
    x->req.kind = REWIND_JOB_PLAN;
    run(x, false);
    assert_int_equal(x->result.plan.verdict, REWIND_CUT);
    assert_false(x->result.cut_done);
    assert_int_equal(size_of(x), FILE_SIZE);
    assert_int_equal(salvages(x), 0);
}

static void test_cancel(void **state)
{
    struct fixture *x = *state;
    run(x, true);
    assert_int_equal(x->result.err, ERR_CANCELED);
    assert_int_equal(size_of(x), FILE_SIZE);
    rewind_job_cancel(&x->job); /* nothing runs: no effect */
    run(x, false);
    assert_true(x->result.cut_done);
}

static void test_no_salvage_no_cut(void **state)
{
    struct fixture *x = *state;
    (void)snprintf(x->req.salvage_dir, sizeof x->req.salvage_dir, "%s/err.log/salvage", x->dir);
    run(x, false);
    assert_int_equal(x->result.err, ERR_IO);
    assert_non_null(strstr(x->result.errmsg.text, "err.log/salvage"));
    assert_int_equal(size_of(x), FILE_SIZE);
}

/* A lock of another process on ibdata1: InnoDB's way to keep a second server out. */
static void test_running_server(void **state)
{
    struct fixture *x = *state;
    char path[128], byte;
    int ready[2], status;
    pid_t child;
    (void)snprintf(path, sizeof path, "%s/ibdata1", x->dir);
    write_file(x->dir, "ibdata1", "x", 1);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    check_refused(x, "server-running");
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ready[0]);
    (void)close(ready[1]);
    run(x, false);
    assert_true(x->result.cut_done);
}

static void test_index(void **state)
{
    struct fixture *x = *state;
    uint8_t relay[158];
    /* a relay log is no binlog, whatever its index is called */
    memcpy(relay, x->content, sizeof relay);
    relay[BINLOG_MAGIC_SIZE + 17] = BINLOG_FLAG_RELAY_LOG;
    write_file(x->dir, "relay.000001", relay, sizeof relay);
    write_file(x->dir, "relay.index", "./relay.000001\n", 15);
    write_file(x->dir, "empty.index", "", 0);
    x->req.kind = REWIND_JOB_PLAN;
    run(x, false);
    assert_int_equal(x->result.plan.verdict, REWIND_CUT);
    write_file(x->dir, "second.index", "m1-bin.000002\n", 14);
    check_refused(x, "binlog-missing");
    assert_non_null(strstr(x->result.plan.reason_detail, "two binlog indexes"));
    (void)snprintf(x->req.binlog_index, sizeof x->req.binlog_index, "%s/m1-bin.index", x->dir);
    run(x, false);
    assert_int_equal(x->result.plan.verdict, REWIND_CUT);
    write_file(x->dir, "m1-bin.index", "./m1-bin.000003\n", 16);
    check_refused(x, "binlog-missing");
}

static void test_damage(void **state)
{
    struct fixture *x = *state;
    x->content[1000] ^= 1;
    write_file(x->dir, "m1-bin.000002", x->content, FILE_SIZE);
    check_refused(x, "binlog-damaged");
    x->content[0] = 0xfd;
    write_file(x->dir, "m1-bin.000002", x->content, FILE_SIZE);
    check_refused(x, "binlog-encrypted");
    /* made just before the crash: the file before it says that this is the index of binlogs */
    x->content[0] = 0xfe;
    x->content[1000] ^= 1;
    write_file(x->dir, "m1-bin.000001", x->content, FILE_SIZE);
    write_file(x->dir, "m1-bin.000002", x->content, 0);
    run(x, false);
    assert_string_equal(rewind_reason_id(x->result.plan.reason), "binlog-damaged");
    write_file(x->dir, "m1-bin.000002", x->content, 130);
    run(x, false);
    assert_string_equal(rewind_reason_id(x->result.plan.reason), "tail-spans-rotation");
}

/* A verdict, not a failure that is repeated for ever: the server is started and looked at instead.
 */
static void test_file_that_is_too_large_is_not_cut(void **state)
{
    struct fixture *x = *state;
    x->req.bytes_max = FILE_SIZE - 1;
    check_refused(x, "binlog-too-large");
    assert_false(x->result.plan.whole);
    assert_int_equal(salvages(x), 0);
    x->req.kind = REWIND_JOB_PLAN;
    check_refused(x, "binlog-too-large");
    x->req.kind = REWIND_JOB_CUT;
    x->req.bytes_max = FILE_SIZE;
    run(x, false);
    assert_true(x->result.cut_done);
}

/* However much there is to read: else it would never be saved, and the node never cured. */
static void test_what_is_to_be_saved_is_never_too_large(void **state)
{
    struct fixture *x = *state;
    x->req.bytes_max = 1;
    (void)snprintf(x->req.extra, sizeof x->req.extra, M "tagx:1-2");
    x->req.kind = REWIND_JOB_INSPECT;
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_int_equal(x->result.found_groups, 2);
    x->req.kind = REWIND_JOB_EXTRACT;
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_int_equal(x->result.salvaged_groups, 2);
    assert_int_equal(salvages(x), 1);
    x->req.kind = REWIND_JOB_UNDO;
    run(x, false);
    assert_int_equal(x->result.err, 0);
    undo_script_free(x->result.undo);
}

/* The answer to one is the answer to the other: only then may it be given for it. */
static void test_same_question(void **state)
{
    struct fixture *x = *state;
    struct rewind_request a, b;
    x->req.kind = REWIND_JOB_EXTRACT;
    (void)snprintf(x->req.extra, sizeof x->req.extra, M "tagx:1-2");
    (void)snprintf(x->req.judged_by, sizeof x->req.judged_by, "rejoin/110");
    a = b = x->req;
    (void)snprintf(b.since, sizeof b.since, M "1-3:9-99"); /* the writer goes on */
    assert_true(rewind_is_same(&a, &b));
    (void)snprintf(b.extra, sizeof b.extra, M "tagx:1-3");
    assert_false(rewind_is_same(&a, &b));
    b = a;
    b.tail_class = 1;
    assert_false(rewind_is_same(&a, &b));
    b = a;
    (void)snprintf(b.judged_by, sizeof b.judged_by, "rejoin/90");
    assert_false(rewind_is_same(&a, &b));
    b = a;
    b.kind = REWIND_JOB_INSPECT;
    assert_false(rewind_is_same(&a, &b));
    a.kind = REWIND_JOB_INSPECT;
    assert_true(rewind_is_same(&a, &b));
    /* These change something, or depend on what the writer has. */
    a.kind = b.kind = REWIND_JOB_CUT;
    assert_false(rewind_is_same(&a, &b));
    a.kind = b.kind = REWIND_JOB_UNDO;
    assert_false(rewind_is_same(&a, &b));
}

static void test_recovery_reads_from_the_offset(void **state)
{
    static const char log[] = "Found 4 prepared transaction(s) in InnoDB\n"
                              "Found 2 prepared transaction(s) in InnoDB\nCrash table recovery "
                              "finished.\n";
    struct fixture *x = *state;
    write_file(x->dir, "err.log", log, sizeof log - 1);
    x->req.kind = REWIND_JOB_RECOVERY;
    x->req.error_log_offset = 42;
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_int_equal(x->result.recovery.prepared, 2);
    assert_true(x->result.recovery.found);
    x->req.error_log_offset = 100000; /* the log was rotated away */
    run(x, false);
    assert_int_equal(x->result.recovery.prepared, 6);
    (void)snprintf(x->req.error_log, sizeof x->req.error_log, "%s/none", x->dir);
    run(x, false);
    assert_int_equal(x->result.err, ERR_NOTFOUND);
}

/* The file that a server of 8.0 began, without checksums, when it was started last. */
static void write_newest(struct fixture *x)
{
    uint8_t file[127];
    uint32_t crc;
    memcpy(file, x->content, sizeof file);
    file[BINLOG_MAGIC_SIZE + 17] = 0;
    memset(file + BINLOG_MAGIC_SIZE + BINLOG_HEADER_SIZE + 2, 0, 50);
    memcpy(file + BINLOG_MAGIC_SIZE + BINLOG_HEADER_SIZE + 2, "8.0.40", 6);
    file[sizeof file - 5] = 0;
    crc = crc32_update(0, file + BINLOG_MAGIC_SIZE, sizeof file - BINLOG_MAGIC_SIZE - 4);
    for (unsigned i = 0; i < 4; i++)
        file[sizeof file - 4 + i] = (uint8_t)(crc >> (8 * i));
    write_file(x->dir, "m1-bin.000003", file, sizeof file);
    write_file(x->dir, "m1-bin.index", "./m1-bin.000002\n./m1-bin.000003\n", 32);
}

static bool script_has(const struct undo_script *s, const char *sql)
{
    for (unsigned i = 0; i < s->n_steps; i++) {
        if (strcmp(s->text + s->steps[i].sql, sql) == 0)
            return true;
    }
    return false;
}

static void check_undo(struct fixture *x, const char *reset)
{
    run(x, false);
    assert_int_equal(x->result.err, 0);
    assert_string_equal(x->result.undo_detail, "");
    assert_non_null(x->result.undo);
    assert_int_equal(x->result.undo->groups, 2);
    assert_true(script_has(x->result.undo, reset));
    undo_script_free(x->result.undo);
}

/* The running server takes the script: its version and its checksums count, those of the file with
 * the transactions only for reading it. */
static void test_undo_for_the_running_server(void **state)
{
    struct fixture *x = *state;
    x->req.kind = REWIND_JOB_UNDO;
    (void)snprintf(x->req.extra, sizeof x->req.extra, M "tagx:1-2");
    check_undo(x, "RESET BINARY LOGS AND GTIDS");
    write_newest(x);
    check_undo(x, "RESET MASTER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_cut_is_noted_until_it_is_proven, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_note_that_cannot_be_read_proves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_noted_and_not_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_binlogs_nothing_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plan_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_salvage_no_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_running_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_undo_for_the_running_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_that_is_too_large_is_not_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_to_be_saved_is_never_too_large, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_same_question, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_reads_from_the_offset, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
