/* SPDX-License-Identifier: Apache-2.0 */
/* The commands' frame, `tandem config` and `tandem init`, with certificates made by a stand-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/config_timing.h"
#include "cli/adopt_order.h"
#include "cli/cli.h"
#include "cli/repoint_order.h"

#define ARGS_MAX 40
#define TEXT_MAX 65536

struct run {
    int status;
    char *out;
    char *err;
};

static void write_text(const char *path, mode_t mode, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static int fake_ca(const char *dir, const char *cluster, struct errmsg *msg)
{
    char path[4096];
    (void)msg;
    (void)mkdir(dir, 0755);
    (void)snprintf(path, sizeof path, "%s/ca.pem", dir);
    if (access(path, F_OK) == 0)
        return ERR_EXISTS;
    write_text(path, 0644, cluster);
    (void)snprintf(path, sizeof path, "%s/ca.key", dir);
    write_text(path, 0600, "ca key");
    return 0;
}

static int fake_node(const char *dir, const char *cluster, const char *node, const char *address,
                     struct errmsg *msg)
{
    char path[4096];
    char text[256];
    (void)msg;
    (void)snprintf(path, sizeof path, "%s/%s.pem", dir, node);
    if (access(path, F_OK) == 0)
        return ERR_EXISTS;
    (void)snprintf(text, sizeof text, "%s %s %s", cluster, node, address);
    write_text(path, 0644, text);
    (void)snprintf(path, sizeof path, "%s/%s.key", dir, node);
    write_text(path, 0600, "key");
    return 0;
}

/* What the command line was understood as. */
static bool fake_adopt(const struct adopt_order *o, FILE *out, FILE *err)
{
    (void)err;
    for (unsigned i = 0; i < o->n_seeds; i++)
        fprintf(out, "seed %s %u\n", o->seeds[i].host, o->seeds[i].port);
    for (unsigned i = 0; i < o->n_names; i++)
        fprintf(out, "name %s %u %s\n", o->names[i].place.host, o->names[i].place.port,
                o->names[i].name);
    for (unsigned i = 0; i < o->n_extra; i++)
        fprintf(out, "extra %s %s %s\n", o->extra[i].name, o->extra[i].address, o->extra[i].role);
    fprintf(out, "writer %s user %s gtid %d dry %d watch %u wait %u\n", o->writer.host, o->user,
            o->gtid, o->dry_run, o->watch_s, o->wait_s);
    return o->gtid;
}

static bool fake_repoint(const struct repoint_order *o, FILE *err)
{
    fprintf(err, "replica %s %u to %s %u user %s dry %d wait %u\n", o->replica.host,
            o->replica.port, o->to.host, o->to.port, o->user, o->dry_run, o->wait_s);
    return !o->dry_run;
}

/* Runs a command line, words separated by single blanks. */
static struct run run(const char *line)
{
    static const struct cli_services services = {.timing_check = config_timing_check,
                                                 .create_ca = fake_ca,
                                                 .create_node = fake_node,
                                                 .adopt = fake_adopt,
                                                 .repoint = fake_repoint};
    char words[8192];
    char *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;
    struct run r = {.status = -1};
    size_t n_out = 0;
    size_t n_err = 0;
    FILE *out = open_memstream(&r.out, &n_out);
    FILE *err = open_memstream(&r.err, &n_err);
    assert_non_null(out);
    assert_non_null(err);
    (void)snprintf(words, sizeof words, "%s", line);
    for (char *at = words, *word; (word = strsep(&at, " ")) != NULL;) {
        assert_true(argc < ARGS_MAX);
        argv[argc++] = word;
    }
    r.status = cli_main(argc, argv, &services, out, err);
    (void)fclose(out);
    (void)fclose(err);
    return r;
}

static struct run runf(const char *fmt, ...) PRINTF_LIKE(1, 2);
static struct run runf(const char *fmt, ...)
{
    char line[8192];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return run(line);
}

static void run_free(struct run *r)
{
    free(r->out);
    free(r->err);
}

static void expect(struct run r, int status, const char *out, const char *err)
{
    if (r.status != status || strstr(r.out, out) == NULL || strstr(r.err, err) == NULL)
        print_error("status %d\n%s--\n%s", r.status, r.out, r.err);
    assert_int_equal(r.status, status);
    assert_non_null(strstr(r.out, out));
    assert_non_null(strstr(r.err, err));
    run_free(&r);
}

/* A scratch directory, removed with all it holds. */
static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    char *dir = strdup("/tmp/tandem-cli-XXXXXX");
    if (dir == NULL || mkdtemp(dir) == NULL)
        return -1;
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    int rc = nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

static char *read_text(const char *dir, const char *name)
{
    char path[4096];
    char *text = calloc(1, TEXT_MAX);
    FILE *in;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    in = fopen(path, "re");
    if (in == NULL)
        print_error("%s is missing\n", path);
    assert_non_null(in);
    assert_true(fread(text, 1, TEXT_MAX - 1, in) < TEXT_MAX - 1);
    (void)fclose(in);
    return text;
}

static bool has(const char *dir, const char *name, const char *words)
{
    char *text = read_text(dir, name);
    bool found = strstr(text, words) != NULL;
    free(text);
    return found;
}

static unsigned mode_of(const char *dir, const char *name)
{
    char path[4096];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    return (unsigned)(st.st_mode & 07777);
}

static const char new_cluster[] =
    "tandem init --cluster demo --node m1=192.0.2.1:candidate:100 --node m2=192.0.2.2:candidate "
    "--node m3=[2001:db8::3]:replica::m1 --node w=192.0.2.9:witness "
    "--node m5=192.0.2.5 --vip 192.0.2.100/24@eth0:vip --set policy.preempt=false "
    "--set node.m1.priority=7 --set arbiter.voters={m1,m2,w}";

static void test_help_and_wrong_command_lines(void **state)
{
    (void)state;
    expect(run("tandem --help"), CLI_OK, "  init ", "");
    expect(run("tandem help"), CLI_OK, "Exit status:", "");
    expect(run("tandem"), CLI_USAGE, "", "usage: tandem COMMAND");
    expect(run("tandem frobnicate"), CLI_USAGE, "", "unknown command 'frobnicate'");
    expect(run("tandem --frobnicate version"), CLI_USAGE, "", "unknown option '--frobnicate'");
    expect(run("tandem version --frobnicate"), CLI_USAGE, "", "unknown option '--frobnicate'");
    expect(run("tandem version --config"), CLI_USAGE, "", "'--config' needs a value");
    expect(run("tandem version x"), CLI_USAGE, "", "unknown argument 'x'");
    expect(run("tandem version"), CLI_OK, "tandem " TANDEM_VERSION "\n", "");
    expect(run("tandem --config /x version --node y"), CLI_OK, TANDEM_VERSION, "");
}

static void test_help_of_every_command_lists_its_options(void **state)
{
    (void)state;
#define COMMAND(name, arguments, help) expect(run("tandem " #name " --help"), CLI_OK, help, "");
#define OPTION(command, name, argument, help) \
    if (command[0] != '\0')                   \
        expect(runf("tandem %s --help", command), CLI_OK, "  --" name, "");
#include "cli/cli.def"
#undef COMMAND
#undef OPTION
}

static void test_config_check(void **state)
{
    const char *data = getenv("TANDEM_TEST_DATA");
    (void)state;
    assert_non_null(data);
    expect(runf("tandem config check %s/config/good-reference.conf", data), CLI_OK,
           "voters  m1 m2 m3  (default): writes go on while any 1 of the 3 are lost, and stop when "
           "2 are",
           "");
    expect(runf("tandem config check --config %s/config/good-reference.conf --node m4", data),
           CLI_OK, "slack of the lease 780.0 ms",
           "tls key '/etc/tandem/tls/m4.key' cannot be read");
    expect(runf("tandem config check %s/config/good-reference.conf", data), CLI_OK,
           "takeover begins after 1100 ms; its server hangs: found after 1000 to 1250 ms; a "
           "standby falls silent: commits wait for 1000 ms\n",
           "");
    expect(runf("tandem config check %s/config/good-ipv6.conf", data), CLI_OK,
           "takeover begins after 170 ms; its server hangs: found after 200 to 250 ms; a standby "
           "falls silent: commits wait for 300 ms\n",
           "");
    expect(runf("tandem --config %s/config/bad-vrrp.conf config check", data), CLI_FAILED, "",
           "bad-vrrp.conf:10: error: router_id is missing");
    expect(runf("tandem --config %s/config/warn-vrrp.conf config check", data), CLI_OK,
           "vrrp     router 100, version 2, an advertisement every 1000 ms, to the group, with a "
           "password\n",
           "warn-vrrp.conf:4: warning: arbiter vrrp has no quorum");
    expect(runf("tandem --config %s/config/warn-vrrp.conf config check", data), CLI_OK,
           "timing   silent host given up after 4.0 s, lease 1.8 s, alone after 10.0 s\n", "");
    expect(runf("tandem config check /nonexistent"), CLI_FAILED, "", "not found");
    expect(run("tandem config"), CLI_USAGE, "", "check, show or reference");
    expect(run("tandem config check a b"), CLI_USAGE, "", "unknown argument 'b'");
    expect(run("tandem config reference"), CLI_OK, "| `election_timeout` |", "");
}

static void test_config_check_judges_the_timing(void **state)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/t.conf", (const char *)*state);
    write_text(path, 0644,
               "cluster = c\narbiter raft { margin = 10 }\n"
               "node a { address = 192.0.2.1 role = candidate priority = 1 }\n"
               "node b { address = 192.0.2.2 }\nnode c { address = 192.0.2.3 }\n");
    expect(runf("tandem config check %s", path), CLI_FAILED, "",
           "error: timing: margin is 10.0 ms");
}

static void test_config_show_is_a_good_file(void **state)
{
    const char *data = getenv("TANDEM_TEST_DATA");
    char path[4096];
    struct run first = runf("tandem config show %s/config/good-ipv6.conf", data);
    struct run again;
    assert_int_equal(first.status, CLI_OK);
    (void)snprintf(path, sizeof path, "%s/shown.conf", (const char *)*state);
    write_text(path, 0644, first.out);
    again = runf("tandem config show %s", path);
    assert_string_equal(again.out, first.out);
    run_free(&first);
    run_free(&again);
}

static void test_init_writes_what_each_host_needs(void **state)
{
    const char *dir = *state;
    static const char *const secret[] = {
        "accounts.sql", "secrets/agent",   "secrets/replication", "m1/agent",
        "m1/m1.key",    "m1/accounts.sql", "m1/raft.bootstrap",   "w/w.key"};
    static const char *const open[] = {"tandem.conf", "m1/tandem.conf", "m1/m1.pem", "w/ca.pem"};
    expect(runf("%s --dir %s/new", new_cluster, dir), CLI_OK, "scp -rp", "");
    expect(runf("tandem config check %s/new/tandem.conf", dir), CLI_OK, "voters  m1 m2 w  (chosen)",
           "");
    for (unsigned i = 0; i < sizeof secret / sizeof *secret; i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "new/%s", secret[i]);
        assert_int_equal(mode_of(dir, name), 0600);
    }
    for (unsigned i = 0; i < sizeof open / sizeof *open; i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "new/%s", open[i]);
        assert_int_equal(mode_of(dir, name), 0644);
    }
    assert_true(has(dir, "new/m1/m1.pem", "demo m1 192.0.2.1"));
    assert_true(has(dir, "new/tandem.conf", "priority = 7"));
    assert_true(has(dir, "new/tandem.conf", "label = \"eth0:vip\""));
    /* The CA's key stays; a witness gets no passwords. */
    for (unsigned i = 0; i < 3; i++) {
        static const char *const absent[] = {"new/m1/ca.key", "new/w/agent", "new/w/tandem.cnf"};
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", dir, absent[i]);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void test_init_drop_ins_keep_a_server_closed(void **state)
{
    static const struct {
        const char *flavour;
        const char *lines[12];
    } cases[] = {
        {"mariadb",
         {"\nread_only = ON\n", "\nskip_slave_start = ON\n", "\nevent_scheduler = OFF\n",
          "\nrpl_semi_sync_master_enabled = OFF\n", "\nrpl_semi_sync_slave_enabled = OFF\n",
          "\nrpl_semi_sync_master_wait_point = AFTER_SYNC\n",
          "\nrpl_semi_sync_master_timeout = 4294967295\n", "\ngtid_strict_mode = ON\n",
          "\nlog_slave_updates = ON\n", "\nrelay_log_recovery = OFF\n",
          "\nslave_net_timeout = 4\n"}},
        {"mysql",
         {"\nread_only = ON\n", "\nsuper_read_only = ON\n", "\nskip_replica_start = ON\n",
          "\nevent_scheduler = OFF\n", "\nloose_rpl_semi_sync_source_enabled = OFF\n",
          "\nloose_rpl_semi_sync_replica_enabled = OFF\n",
          "\nloose_rpl_semi_sync_source_wait_point = AFTER_SYNC\n", "\ngtid_mode = ON\n",
          "\nplugin_load_add = semisync_source.so\n", "\nrelay_log_recovery = OFF\n",
          "\nreplica_net_timeout = 4\n"}},
        {"mysql-5.7",
         {"\nsuper_read_only = ON\n", "\nskip_slave_start = ON\n", "\nlog_slave_updates = ON\n",
          "\nloose_rpl_semi_sync_master_enabled = OFF\n",
          "\nloose_rpl_semi_sync_slave_enabled = OFF\n", "\nmaster_info_repository = TABLE\n"}},
    };
    const char *dir = *state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[256];
        expect(runf("%s --dir %s/%u --flavour %s --first-server-id 11", new_cluster, dir, i,
                    cases[i].flavour),
               CLI_OK, "", "");
        (void)snprintf(name, sizeof name, "%u/m2/tandem.cnf", i);
        for (unsigned k = 0; cases[i].lines[k] != NULL; k++)
            assert_true(has(dir, name, cases[i].lines[k]));
        assert_true(has(dir, name, "\nserver_id = 12\n"));
        assert_true(has(dir, name, "\nlog_bin = /var/lib/mysql/m2-bin\n"));
        assert_true(has(dir, name, "\nrelay_log = m2-relay\n"));
        assert_true(has(dir, name, "\nsync_binlog = 1\n"));
        assert_true(has(dir, name, "\nsync_relay_log = 1\n"));
        assert_true(has(dir, name, "\ninnodb_flush_log_at_trx_commit = 1\n"));
        assert_true(has(dir, name, "\nskip_name_resolve = ON\n"));
        assert_true(has(dir, name, "\nbind_address = *\n"));
        assert_false(has(dir, name, "%"));
    }
}

static void test_init_sets_the_error_log_on_both_sides(void **state)
{
    const char *dir = *state;
    static const char *const flavours[] = {"mariadb", "mysql", "mysql-5.7"};
    for (unsigned i = 0; i < sizeof flavours / sizeof *flavours; i++) {
        char name[64];
        expect(runf("%s --dir %s/%u --flavour %s", new_cluster, dir, i, flavours[i]), CLI_OK, "",
               "");
        (void)snprintf(name, sizeof name, "%u/tandem.conf", i);
        assert_true(has(dir, name, "\n    error_log = \"/var/lib/mysql/mysqld-error.log\"\n"));
        (void)snprintf(name, sizeof name, "%u/m2/tandem.cnf", i);
        assert_true(has(dir, name, "\nlog_error = /var/lib/mysql/mysqld-error.log\n"));
    }
    /* It follows the data directory, of one node too. */
    expect(runf("%s --dir %s/d --set mysql.data_dir=/srv/%%n --set node.m2.data_dir=/ssd",
                new_cluster, dir),
           CLI_OK, "", "");
    assert_true(has(dir, "d/m1/tandem.cnf", "\nlog_error = /srv/m1/mysqld-error.log\n"));
    assert_true(has(dir, "d/m2/tandem.cnf", "\nlog_error = /ssd/mysqld-error.log\n"));
    /* A chosen one stays. */
    expect(runf("%s --dir %s/e --set node.m2.data_dir=/ssd --set mysql.error_log=/var/log/%%n.log",
                new_cluster, dir),
           CLI_OK, "", "");
    assert_true(has(dir, "e/m2/tandem.cnf", "\nlog_error = /var/log/m2.log\n"));
    /* Who wants none hears what it costs. */
    expect(runf("%s --dir %s/f --set mysql.error_log=", new_cluster, dir), CLI_OK, "",
           "warning: no node has an error_log");
    assert_false(has(dir, "f/m1/tandem.cnf", "log_error ="));
    expect(runf("tandem config check %s/f/tandem.conf", dir), CLI_OK, "",
           "warning: no node has an error_log");
}

static void test_init_accounts(void **state)
{
    const char *dir = *state;
    char *password;
    char line[256];
    expect(runf("%s --dir %s/a", new_cluster, dir), CLI_OK, "", "");
    expect(runf("%s --dir %s/b --flavour mysql", new_cluster, dir), CLI_OK, "", "");
    expect(runf("%s --dir %s/c --flavour mysql-5.7", new_cluster, dir), CLI_OK, "", "");
    password = read_text(dir, "a/secrets/agent");
    password[strcspn(password, "\n")] = '\0';
    assert_int_equal(strlen(password), 32); /* MySQL takes no longer one for a replica */
    (void)snprintf(line, sizeof line, "ALTER USER 'tandem'@'localhost' IDENTIFIED BY '%s';",
                   password);
    assert_true(has(dir, "a/accounts.sql", line));
    free(password);
    assert_true(has(dir, "a/accounts.sql", "SET SESSION sql_log_bin = 0;"));
    assert_true(has(dir, "a/accounts.sql", "'tandem_repl'@'2001:db8::3'"));
    assert_false(has(dir, "a/accounts.sql", "192.0.2.9")); /* the witness */
    assert_false(has(dir, "a/accounts.sql", "super_read_only"));
    assert_true(has(dir, "b/accounts.sql", "SET GLOBAL super_read_only = @@GLOBAL.read_only;"));
    assert_false(has(dir, "b/accounts.sql", "SUPER,"));
    assert_true(has(dir, "b/accounts.sql", "XA_RECOVER_ADMIN, BACKUP_ADMIN"));
    assert_true(has(dir, "c/accounts.sql", "/*!80011 , XA_RECOVER_ADMIN */ ON *.* TO 'tandem'"));
    /* Two clusters share no password. */
    password = read_text(dir, "b/secrets/agent");
    assert_false(has(dir, "a/accounts.sql", password));
    free(password);
}

static void test_init_never_overwrites(void **state)
{
    const char *dir = *state;
    char *before;
    char *key;
    expect(runf("%s --dir %s/x", new_cluster, dir), CLI_OK, "", "");
    before = read_text(dir, "x/secrets/replication");
    key = read_text(dir, "x/tls/ca.key");
    expect(runf("%s --dir %s/x", new_cluster, dir), CLI_FAILED, "", "exists; nothing was written");
    expect(
        runf("tandem init --from %s/x/tandem.conf --dir %s/x --set policy.preempt=true", dir, dir),
        CLI_USAGE, "", "--from does not go with");
    expect(runf("%s --dir %s/x --force --set policy.preempt=true", new_cluster, dir), CLI_OK, "",
           "");
    assert_true(has(dir, "x/tandem.conf", "preempt = true"));
    assert_true(has(dir, "x/m1/tandem.conf", "preempt = true"));
    assert_true(has(dir, "x/secrets/replication", before));
    assert_true(has(dir, "x/m2/replication", before));
    assert_true(has(dir, "x/tls/ca.key", key));
    free(before);
    free(key);
}

static void test_init_wrong_command_lines(void **state)
{
    const char *dir = *state;
    char path[4096];
    expect(run("tandem init --cluster c"), CLI_USAGE, "", "--dir DIR is missing");
    expect(runf("tandem init --dir %s/y", dir), CLI_USAGE, "", "--cluster NAME is missing");
    expect(runf("tandem init --cluster c --dir %s/y --node m1", dir), CLI_USAGE, "", "--node 'm1'");
    expect(runf("tandem init --cluster c --dir %s/y --vip 1.2.3.4", dir), CLI_USAGE, "", "--vip");
    expect(runf("tandem init --cluster c --dir %s/y --set a.b=1", dir), CLI_USAGE, "",
           "no block 'a'");
    expect(runf("tandem init --cluster c --dir %s/y --set =1", dir), CLI_USAGE, "", "--set '=1'");
    expect(runf("tandem init --cluster c --dir %s/y --set node.x=1", dir), CLI_USAGE, "", "--set");
    expect(runf("tandem init --cluster c --dir %s/y --flavour oracle", dir), CLI_USAGE, "",
           "--flavour");
    expect(runf("tandem init --cluster c --dir %s/y --first-server-id 0", dir), CLI_USAGE, "",
           "--first-server-id");
    expect(runf("tandem init --cluster c --dir %s/y --node a=1.2.3.4:b:c:d:e", dir), CLI_USAGE, "",
           "too many parts");
    expect(runf("%s --dir %s/y --set policy.wibble=1", new_cluster, dir), CLI_FAILED, "",
           "unknown option 'wibble'");
    expect(runf("%s --dir %s/y --set arbiter.margin=10", new_cluster, dir), CLI_FAILED, "",
           "timing");
    (void)snprintf(path, sizeof path, "%s/y", dir);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void test_import_of_a_pair(void **state)
{
    const char *dir = *state;
    const char *data = getenv("TANDEM_TEST_DATA");
    char pair[4096];
    (void)snprintf(pair, sizeof pair,
                   "tandem import %s/keepalived/m1.keepalived %s/keepalived/m2.keepalived", data,
                   data);
    expect(run(pair), CLI_OK, "arbiter vrrp {",
           "22 statements: 14 carried over, 8 replaced, 0 left out");
    expect(runf("%s --cluster demo --name m1 --name m2 --node m3=172.17.0.15:replica --node "
                "w=[fd17::20] --node v=172.17.0.21 --out %s/imported.conf",
                pair, dir),
           CLI_OK, "", "imported.conf is written. Look through it, then: tandem init --from");
    assert_true(has(dir, "imported.conf", "arbiter raft {"));
    assert_true(
        has(dir, "imported.conf", "node w {\n    address = \"fd17::20\"\n    role = witness\n}"));
    expect(runf("tandem config check %s/imported.conf", dir), CLI_OK,
           "cluster  demo, 5 nodes, arbiter raft", "");
    expect(runf("tandem init --from %s/imported.conf --dir %s/from-keepalived", dir, dir), CLI_OK,
           "written", "");
    /* It never writes over a file, and nothing at all that is no cluster file. */
    expect(runf("%s --out %s/imported.conf", pair, dir), CLI_FAILED, "", "File exists");
    expect(runf("%s --cluster a@b --out %s/never.conf", pair, dir), CLI_FAILED, "",
           "cluster is 'a@b'");
    expect(runf("%s --node m3=172.17.0.15:king --out %s/never.conf", pair, dir), CLI_FAILED, "",
           "role of node 'm3' is 'king'");
    expect(runf("tandem import %s/keepalived/m1.keepalived --out %s/never.conf", data, dir),
           CLI_FAILED, "", "the other node's file is missing, so nothing was written");
    (void)snprintf(pair, sizeof pair, "%s/never.conf", dir);
    assert_int_not_equal(access(pair, F_OK), 0);
}

static void test_import_wrong_command_lines(void **state)
{
    const char *data = getenv("TANDEM_TEST_DATA");
    (void)state;
    expect(run("tandem import"), CLI_USAGE, "", "give the keepalived.conf of both nodes");
    expect(run("tandem status -o x"), CLI_USAGE, "", "unknown option '-o'");
    expect(run("tandem import a b -o"), CLI_USAGE, "", "option '-o' needs a value");
    expect(run("tandem import a b c"), CLI_USAGE, "", "give the keepalived.conf of both nodes");
    expect(run("tandem import /nonexistent"), CLI_FAILED, "", "/nonexistent: No such file");
    expect(run("tandem import a b --node m3"), CLI_USAGE, "", "--node 'm3': write NAME=ADDRESS");
    expect(runf("tandem import a b --name %0200d", 7), CLI_USAGE, "", "too long");
    expect(runf("tandem import a b --node m3=10.0.0.%0200d", 7), CLI_USAGE, "", "too long");
    expect(run("tandem import a b --name a --name b --name c"), CLI_USAGE, "",
           "there are only two files");
    expect(runf("tandem import %s/keepalived/many.keepalived %s/keepalived/other.keepalived "
                "--instance DB",
                data, data),
           CLI_FAILED, "", "nothing was written");
}

static int run_script(const char *script, const char *root, const char *argument)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)setenv("ROOT", root, 1);
        (void)execl("/bin/sh", "sh", script, argument, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_adopt_command_line(void **state)
{
    (void)state;
    expect(run("tandem adopt m1 172.17.0.11:3307 [fd00::2]:3308 fd00::3 --gtid"), CLI_OK,
           "seed m1 3306\nseed 172.17.0.11 3307\nseed fd00::2 3308\nseed fd00::3 3306\n", "");
    expect(run("tandem adopt m1 --name m1:3307=db1 --name [fd00::2]=db2 --gtid"), CLI_OK,
           "name m1 3307 db1\nname fd00::2 3306 db2\n", "");
    expect(run("tandem adopt m1 --node w=172.17.0.9 --node r=[fd00::9]:replica --gtid"), CLI_OK,
           "extra w 172.17.0.9 witness\nextra r fd00::9 replica\n", "");
    expect(run("tandem adopt m1 --gtid --dry-run --watch 7 --wait 9 --writer m2 --user admin"),
           CLI_OK, "writer m2 user admin gtid 1 dry 1 watch 7 wait 9\n", "");
    /* What the service says is the exit status. */
    expect(run("tandem adopt m1"), CLI_FAILED, "writer  user root gtid 0 dry 0 watch 60 wait 60",
           "");
}

static void test_adopt_wrong_command_lines(void **state)
{
    (void)state;
    expect(run("tandem adopt"), CLI_USAGE, "", "name one server");
    expect(run("tandem adopt m1:0"), CLI_USAGE, "", "'m1:0': write HOST or HOST:PORT");
    expect(run("tandem adopt m1:65536"), CLI_USAGE, "", "write HOST or HOST:PORT");
    expect(run("tandem adopt m1:33x"), CLI_USAGE, "", "write HOST or HOST:PORT");
    expect(run("tandem adopt :3306"), CLI_USAGE, "", "write HOST or HOST:PORT");
    expect(run("tandem adopt m1 --name db1"), CLI_USAGE, "", "HOST[:PORT]=NAME");
    expect(run("tandem adopt m1 --node w"), CLI_USAGE, "", "NAME=ADDRESS");
    expect(run("tandem adopt m1 --node w=1.2.3.4:candidate"), CLI_USAGE, "", "NAME=ADDRESS");
    expect(run("tandem adopt m1 --vip 172.17.0.101/24"), CLI_USAGE, "", "ADDRESS/PREFIX@DEVICE");
    expect(run("tandem adopt m1 --watch soon"), CLI_USAGE, "", "0 to 86400 seconds");
    expect(run("tandem adopt m1 --dry-run"), CLI_USAGE, "", "go with --gtid");
    expect(run("tandem adopt m1 --password-file /nonexistent"), CLI_FAILED, "", "cannot be read");
}

static void test_repoint_command_line(void **state)
{
    (void)state;
    expect(run("tandem repoint m3 --to [fd00::2]:3308 --wait 9"), CLI_OK, "",
           "replica m3 3306 to fd00::2 3308 user root dry 0 wait 9\n");
    expect(run("tandem repoint 172.17.0.15:3307 --to m2 --user admin --dry-run"), CLI_FAILED, "",
           "replica 172.17.0.15 3307 to m2 3306 user admin dry 1 wait 60\n");
    expect(run("tandem repoint --to m2"), CLI_USAGE, "", "name one replica");
    expect(run("tandem repoint m3"), CLI_USAGE, "", "its new source with --to");
    expect(run("tandem repoint m3 m4 --to m2"), CLI_USAGE, "", "name one replica");
    expect(run("tandem repoint m3:0 --to m2"), CLI_USAGE, "", "write HOST or HOST:PORT");
    expect(run("tandem repoint m3 --to m2:x"), CLI_USAGE, "", "write HOST or HOST:PORT");
    expect(run("tandem repoint m3 --to m2 --wait soon"), CLI_USAGE, "", "0 to 86400 seconds");
    expect(run("tandem repoint m3 --to m2 --password-file /nonexistent"), CLI_FAILED, "",
           "cannot be read");
}

static void test_install_script_begins_a_raft_log_once(void **state)
{
    const char *dir = *state;
    char script[4096];
    char root[4096];
    char path[4200];
    expect(runf("%s --dir %s/i --set state_dir=/var/lib/t'%%n", new_cluster, dir), CLI_OK, "", "");
    (void)snprintf(script, sizeof script, "%s/i/m1/install.sh", dir);
    (void)snprintf(root, sizeof root, "%s/root", dir);
    assert_int_equal(run_script(script, root, NULL), 0);
    assert_true(has(root, "etc/tandem/tandem.conf", "demo"));
    assert_int_equal(mode_of(root, "etc/tandem/tls/m1.key"), 0600);
    assert_int_equal(mode_of(root, "etc/tandem/secrets/agent"), 0600);
    assert_true(has(root, "etc/systemd/system/mariadb.service.d/tandem.conf", "Restart=no"));
    (void)snprintf(path, sizeof path, "%s/var/lib/t'm1/raft.bootstrap", root);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(run_script(script, root, "--new"), 0);
    assert_int_equal(access(path, F_OK), 0);
    /* A node with a raft log is never begun anew. */
    (void)snprintf(path, sizeof path, "%s/var/lib/t'm1/raft", root);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(run_script(script, root, "--new"), 0);
    (void)snprintf(path, sizeof path, "%s/var/lib/t'm1/raft/log", root);
    write_text(path, 0600, "x");
    assert_int_equal(run_script(script, root, "--new"), 1);
}

static void test_node_is_found(void **state)
{
    static struct cluster_config c = {.cluster = "c", .n_nodes = 2};
    struct cli cli = {.err = stderr, .command = "status"};
    unsigned node = 99;
    (void)state;
    (void)snprintf(c.nodes[0].name, NODE_NAME_MAX, "not-this-host");
    (void)snprintf(c.nodes[1].name, NODE_NAME_MAX, "nor-this");
    assert_int_equal(cli_node_find(&cli, &c), NODE_NONE);
    (void)snprintf(c.nodes[1].address, ADDRESS_TEXT_MAX, "127.0.0.1");
    assert_int_equal(cli_node(&cli, &c, &node), CLI_OK);
    assert_int_equal(node, 1);
    /* Two nodes with that address: it tells nothing. */
    (void)snprintf(c.nodes[0].address, ADDRESS_TEXT_MAX, "127.0.0.1");
    assert_int_equal(cli_node_find(&cli, &c), NODE_NONE);
    assert_int_equal(gethostname(c.nodes[0].name, NODE_NAME_MAX), 0);
    assert_int_equal(cli_node_find(&cli, &c), 0);
    cli.values[0] = (struct cli_value){"node", "nor-this"};
    cli.n_values = 1;
    assert_int_equal(cli_node_find(&cli, &c), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_and_wrong_command_lines),
        cmocka_unit_test(test_help_of_every_command_lists_its_options),
        cmocka_unit_test(test_config_check),
        cmocka_unit_test_setup_teardown(test_config_check_judges_the_timing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_show_is_a_good_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_writes_what_each_host_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_drop_ins_keep_a_server_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_sets_the_error_log_on_both_sides, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_init_accounts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_never_overwrites, setup, teardown),
        cmocka_unit_test_setup_teardown(test_init_wrong_command_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_import_of_a_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_import_wrong_command_lines, setup, teardown),
        cmocka_unit_test(test_adopt_command_line),
        cmocka_unit_test(test_adopt_wrong_command_lines),
        cmocka_unit_test(test_repoint_command_line),
        cmocka_unit_test_setup_teardown(test_install_script_begins_a_raft_log_once, setup,
                                        teardown),
        cmocka_unit_test(test_node_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
