/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem salvage` on a data directory that was rewound: a binlog of MySQL 9.7.4 whose last two
 * transactions (tagx:1-2) were cut, as in test_rewind_job. No agent runs.
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
#include <jansson.h>

#include "app/config_timing.h"
#include "app/salvage_undo.h"
#include "cli/cli.h"
#include "io/store/rewind_job.h"

#define M "51f7dd9b-e6bf-11f1-bffc-02fc00000001:"
#define FILE_SIZE 1379
#define CUT 827
#define TORN 60
#define HEADER 158
#define ARGS_MAX 24

struct fixture {
    char dir[64];
    uint8_t content[4096]; /* of the binlog before the cut */
    size_t size;
    char name[128]; /* of the salvage */
    struct rewind_request req;
    struct rewind_result result;
};

struct run {
    int status;
    char *out;
    char *err;
};

static void path_of(const struct fixture *x, const char *name, char *buf)
{
    (void)snprintf(buf, 512, "%s/%s", x->dir, name);
}

static void write_file(const struct fixture *x, const char *name, const void *data, size_t n)
{
    char path[512];
    FILE *f;
    path_of(x, name, path);
    f = fopen(path, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static size_t read_file(const char *path, uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "rbe");
    size_t n;
    assert_non_null(f);
    n = fread(data, 1, size, f);
    (void)fclose(f);
    return n;
}

static void make_dir(const struct fixture *x, const char *name)
{
    char path[512];
    path_of(x, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* `seconds` after or before now. */
static void touch(const struct fixture *x, const char *name, int seconds)
{
    char path[512];
    struct timespec times[2];
    (void)clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec += seconds;
    times[1] = times[0];
    path_of(x, name, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void write_config(const struct fixture *x)
{
    char text[2048];
    int n = snprintf(text, sizeof text,
                     "cluster = demo\nstate_dir = \"%s/%%n\"\nrun_dir = \"%s\"\n"
                     "mysql { pid_file = \"%s/mysqld.pid\"\n data_dir = \"%s/data\" }\n"
                     "node m1 { address = \"10.0.0.1\"\n role = candidate\n priority = 100 }\n"
                     "node m2 { address = \"10.0.0.2\"\n role = candidate\n priority = 50 }\n"
                     "node m3 { address = \"10.0.0.3\"\n role = witness }\n",
                     x->dir, x->dir, x->dir, x->dir);
    write_file(x, "tandem.conf", text, (size_t)n);
}

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    assert_non_null(x);
    (void)snprintf(x->dir, sizeof x->dir, "/tmp/test_salvage.XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    make_dir(x, "data");
    make_dir(x, "m1");
    assert_true(read_file(BINLOG_SAMPLES "/mysql-9.7-1", x->content, sizeof x->content) >
                FILE_SIZE);
    x->content[BINLOG_MAGIC_SIZE + 17] |= BINLOG_FLAG_IN_USE;
    x->size = FILE_SIZE + TORN; /* the next event was not written to its end */
    memcpy(x->content + FILE_SIZE, x->content + CUT, TORN);
    write_file(x, "data/m1-bin.000002", x->content, x->size);
    write_file(x, "data/m1-bin.index", "./m1-bin.000001\n./m1-bin.000002\n", 32);
    write_file(x, "data/ibdata1", "x", 1);
    touch(x, "data/ibdata1", -10);
    write_config(x);
    x->req = (struct rewind_request){.kind = REWIND_JOB_CUT,
                                     .flavour = GTID_MYSQL,
                                     .epoch = 7,
                                     .node = "m1",
                                     .seal = M "1-3",
                                     .writer = M "1-9",
                                     .note = "rewind before recovery",
                                     .facts = {true, true, true, true, true, true}};
    (void)snprintf(x->req.data_dir, sizeof x->req.data_dir, "%s/data", x->dir);
    (void)snprintf(x->req.salvage_dir, sizeof x->req.salvage_dir, "%s/m1/salvage", x->dir);
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

static void rewind_it(struct fixture *x)
{
    char path[512];
    struct stat st;
    assert_int_equal(rewind_run(&x->req, NULL, &x->result), 0);
    (void)snprintf(x->name, sizeof x->name, "%s", strrchr(x->result.salvage_path, '/') + 1);
    if (!x->result.cut_done)
        return;
    path_of(x, "data/m1-bin.000002", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, CUT);
}

static struct run run(const struct fixture *x, const char *node, const char *line)
{
    static const struct cli_services services = {.timing_check = config_timing_check,
                                                 .salvage_check = salvage_undo_check,
                                                 .salvage_restore = salvage_undo};
    char words[1024];
    char *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;
    struct run r = {.status = -1};
    size_t n_out = 0;
    size_t n_err = 0;
    FILE *out = open_memstream(&r.out, &n_out);
    FILE *err = open_memstream(&r.err, &n_err);
    (void)snprintf(words, sizeof words, "tandem salvage %s --config %s/tandem.conf --node %s", line,
                   x->dir, node);
    for (char *at = words, *word; (word = strsep(&at, " ")) != NULL;)
        argv[argc++] = word;
    r.status = cli_main(argc, argv, &services, out, err);
    (void)fclose(out);
    (void)fclose(err);
    return r;
}

/* The salvage's name, once there is one, follows the words of everything but `list`. */
static void expect(const struct fixture *x, const char *word, int status, const char *out,
                   const char *err)
{
    char line[512];
    struct run r;
    (void)snprintf(line, sizeof line, "%s %s", word, x->name);
    r = run(x, "m1", x->name[0] != '\0' && strcmp(word, "list") != 0 ? line : word);
    if (r.status != status || strstr(r.out, out) == NULL || strstr(r.err, err) == NULL)
        print_error("status %d\n%s--\n%s", r.status, r.out, r.err);
    assert_int_equal(r.status, status);
    assert_non_null(strstr(r.out, out));
    assert_non_null(strstr(r.err, err));
    free(r.out);
    free(r.err);
}

static void binlog_is(const struct fixture *x, size_t size)
{
    uint8_t data[4096];
    char path[512];
    path_of(x, "data/m1-bin.000002", path);
    assert_int_equal(read_file(path, data, sizeof data), size);
    assert_memory_equal(data, x->content, size);
}

static void refused(const struct fixture *x, const char *why)
{
    expect(x, "restore", CLI_FAILED, "", why);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void test_usage(void **state)
{
    struct fixture *x = *state;
    struct run r;
    expect(x, "", CLI_USAGE, "", "say what to do");
    expect(x, "list this", CLI_USAGE, "", "takes no name");
    expect(x, "show", CLI_USAGE, "", "needs the name");
    expect(x, "restore a b", CLI_USAGE, "", "needs the name");
    r = run(x, "m3", "list");
    assert_int_equal(r.status, CLI_FAILED);
    assert_non_null(strstr(r.err, "witness"));
    free(r.out);
    free(r.err);
}

static void test_nothing_salvaged(void **state)
{
    struct fixture *x = *state;
    expect(x, "list", CLI_OK, "nothing was ever salvaged on m1", "");
    expect(x, "show 20260101T000000Z-m1-1", CLI_FAILED, "", "no salvage '20260101T000000Z-m1-1'");
    expect(x, "show ../data", CLI_FAILED, "", "no salvage");
    write_file(x, "m1/salvage", "", 0);
    expect(x, "list", CLI_FAILED, "", "cannot read");
}

static void test_list(void **state)
{
    struct fixture *x = *state;
    struct run r;
    json_t *list;
    const json_t *one;
    rewind_it(x);
    make_dir(x, "m1/salvage/20990101T000000Z-m1-9.partial");
    write_file(x, "m1/salvage/20990101T000000Z-m1-9.partial/events.binlog", "12345", 5);
    expect(x, "list", CLI_OK, x->name, "");
    expect(x, "list", CLI_OK, "51f7dd9b..:tagx:1 and 1 more", "");
    expect(x, "list", CLI_OK,
           "20990101T000000Z-m1-9.partial is not to be restored: it is unfinished", "");
    r = run(x, "m1", "list --json");
    assert_int_equal(r.status, CLI_OK);
    list = json_loads(r.out, 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    one = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(one, "name")), x->name);
    assert_string_equal(json_string_value(json_object_get(one, "node")), "m1");
    assert_int_equal(json_integer_value(json_object_get(one, "epoch")), 7);
    assert_int_equal(json_integer_value(json_object_get(one, "transactions")), 2);
    assert_string_equal(json_string_value(json_object_get(one, "why")), "rewind before recovery");
    assert_true(json_is_true(json_object_get(one, "complete")));
    assert_true(json_is_true(json_object_get(one, "restorable")));
    assert_true(json_integer_value(json_object_get(one, "bytes")) > HEADER + FILE_SIZE - CUT);
    one = json_array_get(list, 1);
    assert_true(json_is_false(json_object_get(one, "complete")));
    assert_int_equal(json_integer_value(json_object_get(one, "bytes")), 5);
    json_decref(list);
    free(r.out);
    free(r.err);
}

static void only_its_owner_reads(const char *path, unsigned mode)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_gid, getegid());
}

/* What was saved is the application's rows, whatever mask the agent was started with. */
static void test_nobody_else_reads_what_was_saved(void **state)
{
    struct fixture *x = *state;
    char path[1024];
    const struct dirent *e;
    unsigned files = 0;
    mode_t mask = umask(0);
    DIR *d;
    rewind_it(x);
    (void)umask(mask);
    only_its_owner_reads(x->req.salvage_dir, 0700);
    only_its_owner_reads(x->result.salvage_path, 0700);
    d = opendir(x->result.salvage_path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", x->result.salvage_path, e->d_name);
        only_its_owner_reads(path, 0600);
        files++;
    }
    (void)closedir(d);
    assert_int_equal(files, 3); /* events.binlog, torn.bin, manifest.json */
}

static void test_show(void **state)
{
    struct fixture *x = *state;
    rewind_it(x);
    expect(x, "show", CLI_OK, "51f7dd9b-e6bf-11f1-bffc-02fc00000001:tagx:2", "");
    expect(x, "show", CLI_OK, "cut         at 827 of 1439 bytes", "");
    expect(x, "show", CLI_OK, "restorable  yes", "");
    expect(x, "show --json", CLI_OK, "\"tandem-salvage-1\"", "");
    expect(x, "show --json --sql", CLI_USAGE, "", "does not go with");
}

/* --- as SQL ----------------------------------------------------------------------------------- */

static void make_program(const struct fixture *x, const char *name, const char *text)
{
    char path[512];
    write_file(x, name, text, strlen(text));
    path_of(x, name, path);
    assert_int_equal(chmod(path, 0755), 0);
}

static void test_sql(void **state)
{
    static const char mysql[] = "#!/bin/sh\n[ \"$2\" = --help ] && echo mysqlbinlog  Ver 9.7.4 "
                                "&& exit 0\necho \"was given $*\"\n";
    struct fixture *x = *state;
    char *before = strdup(getenv("PATH"));
    char line[512];
    rewind_it(x);
    make_dir(x, "bin");
    (void)snprintf(line, sizeof line, "%s/bin", x->dir);
    assert_int_equal(setenv("PATH", line, 1), 0);
    expect(x, "show --sql", CLI_FAILED, "",
           "mysqlbinlog is in no directory of PATH: install the MySQL client programs");
    make_program(x, "bin/mysqlbinlog", "#!/bin/sh\necho Copyright MariaDB Corporation Ab\n");
    expect(x, "show --sql", CLI_FAILED, "", "is MariaDB's, the transactions are MySQL's");
    make_program(x, "bin/mysqlbinlog", mysql);
    expect(x, "show --sql", CLI_OK,
           "was given --no-defaults -v --base64-output=decode-rows /tmp/test_salvage", "");
    make_program(x, "bin/other", "#!/bin/sh\n[ \"$2\" = --help ] || exit 5\n");
    (void)snprintf(line, sizeof line, "show --sql --binlog-program %s/bin/other", x->dir);
    expect(x, line, CLI_FAILED, "-- /tmp/test_salvage", "bin/other ended with exit status 5");
    (void)snprintf(line, sizeof line, "show --sql --binlog-program %s/bin/none", x->dir);
    expect(x, line, CLI_FAILED, "", "cannot be run");
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
}

/* --- undo ------------------------------------------------------------------------------------- */

static void test_restore(void **state)
{
    struct fixture *x = *state;
    char path[512];
    struct stat st;
    path_of(x, "data/m1-bin.000002", path);
    assert_int_equal(chmod(path, 0640), 0);
    rewind_it(x);
    expect(x, "restore", CLI_OK, "has its 1439 bytes again, of which the cut left 827", "");
    binlog_is(x, x->size);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    path_of(x, "data/m1-bin.000002.tandem-restore", path);
    assert_int_equal(access(path, F_OK), -1);
    refused(x, "it was restored already");
    /* it is what it was: the same rewind is possible again */
    assert_int_equal(rewind_run(&x->req, NULL, &x->result), 0);
    assert_true(x->result.cut_done);
    assert_int_equal(x->result.plan.cut, CUT);
}

static void test_started_since(void **state)
{
    struct fixture *x = *state;
    uint8_t clear;
    rewind_it(x);
    write_file(x, "data/m1-bin.000003", x->content, HEADER);
    write_file(x, "data/m1-bin.index", "./m1-bin.000002\n./m1-bin.000003\n", 32);
    refused(x, "its binlog goes on in");
    write_file(x, "data/m1-bin.index", "./m1-bin.000002\n", 16);
    touch(x, "data/ibdata1", 10);
    refused(x, "ibdata1 was written later");
    touch(x, "data/ibdata1", -10);
    make_dir(x, "data/#innodb_redo");
    write_file(x, "data/#innodb_redo/#ib_redo7", "x", 1);
    touch(x, "data/#innodb_redo/#ib_redo7", 10);
    refused(x, "#ib_redo7 was written later");
    touch(x, "data/#innodb_redo/#ib_redo7", -10);
    clear = x->content[BINLOG_MAGIC_SIZE + 17];
    x->content[BINLOG_MAGIC_SIZE + 17] = 0;
    write_file(x, "data/m1-bin.000002", x->content, CUT);
    refused(x, "has recovered and closed");
    x->content[BINLOG_MAGIC_SIZE + 17] = clear;
    write_file(x, "data/m1-bin.000002", x->content, CUT + 1);
    refused(x, "has 828 bytes and the cut left 827");
    write_file(x, "data/m1-bin.000002", x->content, CUT);
    expect(x, "restore", CLI_OK, "has its 1439 bytes again", "");
}

static void test_another_file(void **state)
{
    struct fixture *x = *state;
    char path[512];
    char copy[512];
    rewind_it(x);
    write_file(x, "data/copy", x->content, CUT);
    path_of(x, "data/copy", copy);
    path_of(x, "data/m1-bin.000002", path);
    assert_int_equal(rename(copy, path), 0);
    refused(x, "is not the file that was cut");
    binlog_is(x, CUT);
}

static void test_no_innodb(void **state)
{
    struct fixture *x = *state;
    char path[512];
    rewind_it(x);
    path_of(x, "data/ibdata1", path);
    assert_int_equal(unlink(path), 0);
    refused(x, "it cannot be told whether the server was started since the cut");
}

static void test_nothing_was_cut(void **state)
{
    struct fixture *x = *state;
    char name[256];
    x->req.facts.ended_by_crash = false;
    rewind_it(x);
    assert_false(x->result.cut_done);
    refused(x, "nothing was cut: the server was not ended by a kill or crash");
    binlog_is(x, x->size);
    (void)snprintf(name, sizeof name, "m1/salvage/%s/manifest.json", x->name);
    write_file(x, name, "{\"format\": \"other\"}", 19);
    refused(x, "manifest.json has another format");
    write_file(x, name, "{", 1);
    refused(x, "manifest.json: ");
}

static void test_damaged_salvage(void **state)
{
    static const char *const files[] = {"events.binlog", "torn.bin"};
    struct fixture *x = *state;
    rewind_it(x);
    for (unsigned i = 0; i < 2; i++) {
        char name[256], path[512];
        uint8_t data[4096];
        size_t n;
        (void)snprintf(name, sizeof name, "m1/salvage/%s/%s", x->name, files[i]);
        path_of(x, name, path);
        n = read_file(path, data, sizeof data);
        data[n - 1] ^= 1;
        write_file(x, name, data, n);
        refused(x, "is damaged: its SHA-256 is not the manifest's");
        write_file(x, name, data, n - 1);
        refused(x, "is shorter than the manifest says");
        data[n - 1] ^= 1;
        write_file(x, name, data, n);
        binlog_is(x, CUT);
    }
    expect(x, "restore", CLI_OK, "has its 1439 bytes again", "");
}

/* A lock of another process on ibdata1: a server that runs, or is just being started. */
static void test_running_server(void **state)
{
    struct fixture *x = *state;
    struct errmsg text = ERRMSG_INIT;
    struct config_node node = {0};
    char path[512], byte;
    int ready[2], status;
    pid_t child;
    rewind_it(x);
    path_of(x, "data/ibdata1", path);
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
    refused(x, "a server has the data directory");
    expect(x, "list", CLI_OK, "is not to be restored: a server has the data directory", "");
    (void)snprintf(node.mysql.data_dir, sizeof node.mysql.data_dir, "%s/data", x->dir);
    assert_int_equal(salvage_undo(&node, x->result.salvage_path, &text), ERR_STATE);
    assert_non_null(strstr(text.text, "a server has the data directory"));
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ready[0]);
    (void)close(ready[1]);
    binlog_is(x, CUT);
    expect(x, "restore", CLI_OK, "has its 1439 bytes again", "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_usage),
        T(test_nothing_salvaged),
        T(test_list),
        T(test_nobody_else_reads_what_was_saved),
        T(test_show),
        T(test_sql),
        T(test_restore),
        T(test_started_since),
        T(test_another_file),
        T(test_no_innodb),
        T(test_nothing_was_cut),
        T(test_damaged_salvage),
        T(test_running_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
