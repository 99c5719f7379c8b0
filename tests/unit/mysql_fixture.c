/* SPDX-License-Identifier: Apache-2.0 */
#include "mysql_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/mysql/mysql_conn.h"

#define FIXTURE_SERVERS_MAX 8
#define FIXTURE_WAIT_US 60000000
#define FIXTURE_LOG_TAIL 3000

struct fixture_world {
    enum fixture_flavour flavour;
    char dir[160];
    char mysqld[256];
    char basedir[300]; /* option, or "" */
    struct fixture_server *servers[FIXTURE_SERVERS_MAX];
    unsigned count;
};

/* The one test program's servers; main's state, so to say. */
static struct fixture_world fixture;

static _Noreturn void fixture_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

static _Noreturn void fixture_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("# fixture: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
    exit(1); /* fixture_end is registered with atexit */
}

int64_t fixture_now_us(void)
{
    return mysql_now_us();
}

const char *fixture_dir(void)
{
    return fixture.dir;
}

/* Runs a shell command and waits; its output goes to the fixture's log. */
static int fixture_shell(const char *fmt, ...) PRINTF_LIKE(1, 2);

static int fixture_shell(const char *fmt, ...)
{
    char command[4096];
    char log[256];
    int status = -1;
    va_list ap;
    pid_t pid;
    va_start(ap, fmt);
    (void)vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    (void)snprintf(log, sizeof log, "%s/log", fixture.dir);
    pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The end of the fixture's log, as comments of TAP. */
static void fixture_log_print(void)
{
    char log[256];
    char line[512];
    struct stat st;
    FILE *f;
    (void)snprintf(log, sizeof log, "%s/log", fixture.dir);
    f = fopen(log, "re");
    if (f == NULL)
        return;
    if (fstat(fileno(f), &st) == 0 && st.st_size > FIXTURE_LOG_TAIL)
        (void)fseek(f, -FIXTURE_LOG_TAIL, SEEK_END);
    while (fgets(line, sizeof line, f) != NULL)
        (void)fprintf(stderr, "# %s", line);
    (void)fclose(f);
}

/* The interval between two looks of a wait that has a deadline: a server says nothing by itself
 * when it begins to answer, or when a value changes. */
static void fixture_sleep_ms(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&ts, NULL);
}

void fixture_signal(const struct fixture_server *s, int signal)
{
    if (s->pid > 0)
        (void)kill(s->pid, signal);
}

void fixture_server_kill(struct fixture_server *s)
{
    if (s->pid <= 0)
        return;
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void fixture_end(void)
{
    for (unsigned i = 0; i < fixture.count; i++)
        fixture_server_kill(fixture.servers[i]);
    fixture.count = 0;
    if (fixture.dir[0] != '\0' && getenv("TANDEM_TEST_KEEP") == NULL)
        (void)fixture_shell("rm -rf '%s'", fixture.dir);
    fixture.dir[0] = '\0';
}

void fixture_init(enum fixture_flavour flavour)
{
    const char *sysroot = getenv("TANDEM_MYSQL97");
    char made[] = "/tmp/tandem-test-XXXXXX";
    int rc;
    fixture.flavour = flavour;
    if (mkdtemp(made) == NULL)
        fixture_fail("no temporary directory");
    (void)snprintf(fixture.dir, sizeof fixture.dir, "%s", made);
    (void)atexit(fixture_end);
    if (flavour == FIXTURE_MARIADB) {
        const char *root = getenv("TANDEM_MARIADB");
        (void)snprintf(fixture.mysqld, sizeof fixture.mysqld, "%s%smariadbd",
                       root != NULL ? root : "", root != NULL ? "/usr/sbin/" : "");
        if (root != NULL)
            (void)snprintf(fixture.basedir, sizeof fixture.basedir, "--basedir=%.250s/usr", root);
        rc = fixture_shell("PATH=%s%s$PATH:/usr/sbin mariadb-install-db --no-defaults --user=root "
                           "--datadir=%s/template --auth-root-authentication-method=normal "
                           "--tmpdir=%s --skip-test-db --innodb-log-file-size=8M %s",
                           root != NULL ? root : "", root != NULL ? "/usr/bin:" : "", fixture.dir,
                           fixture.dir, fixture.basedir);
    } else {
        (void)snprintf(fixture.mysqld, sizeof fixture.mysqld, "%s/usr/sbin/mysqld", sysroot);
        rc = fixture_shell("%s --no-defaults --user=root --datadir=%s/template --tmpdir=%s "
                           "--initialize-insecure --innodb-redo-log-capacity=8M "
                           "--innodb-flush-method=nosync --skip-log-bin && rm %s/template/auto.cnf",
                           fixture.mysqld, fixture.dir, fixture.dir, fixture.dir);
    }
    if (rc == 0)
        return;
    fixture_log_print();
    fixture_fail("cannot make a data directory (status %d); is the server installed? "
                 "TANDEM_TEST_KEEP=1 keeps %s/log",
                 rc, fixture.dir);
}

static uint16_t fixture_free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&sa, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
        fixture_fail("no free port");
    (void)close(fd);
    return ntohs(sa.sin_port);
}

/* tmpdir: a starting MariaDB removes the temporary tables of every server that shares it. */
void fixture_server_command(const struct fixture_server *s, const char *extra, char *buf,
                            size_t size)
{
    const char *flavoured =
        s->flavour == FIXTURE_MARIADB
            ? "--gtid-strict-mode=ON --skip-slave-start --innodb-log-file-size=8M "
              "--innodb-log-buffer-size=2M"
            : "--gtid-mode=ON --enforce-gtid-consistency=ON --skip-replica-start --mysqlx=OFF "
              "--secure-file-priv=NULL --plugin-load-add=semisync_source.so "
              "--plugin-load-add=semisync_replica.so --super-read-only=ON "
              "--innodb-redo-log-capacity=8M --innodb-use-native-aio=OFF";
    (void)snprintf(buf, size,
                   "exec %s --no-defaults %s --user=root --datadir=%s --tmpdir=%s --socket=%s "
                   "--pid-file=%s "
                   "--log-error=%s --port=%u --bind-address=127.0.0.1 --server-id=%u "
                   "--log-bin=s%u-bin --relay-log=relay --log-slave-updates=ON "
                   "--binlog-format=ROW --sync-binlog=1 --innodb-flush-log-at-trx-commit=1 "
                   "--sync-relay-log=1 --read-only=ON --event-scheduler=OFF --skip-name-resolve "
                   "--innodb-buffer-pool-size=8M --report-host=127.0.0.1 "
                   "--report-port=%u --slave-net-timeout=4 --max-connections=30 %s %s",
                   fixture.mysqld, fixture.basedir, s->data_dir, s->dir, s->socket, s->pid_file,
                   s->error_log, s->port, s->id, s->id, s->port, flavoured,
                   extra != NULL ? extra : "");
}

void fixture_server_start(struct fixture_server *s, const char *extra)
{
    char command[2048];
    fixture_server_command(s, extra, command, sizeof command);
    (void)unlink(s->pid_file);
    s->pid = fork();
    if (s->pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    fixture_server_wait(s);
}

void fixture_server_wait(struct fixture_server *s)
{
    int64_t until = fixture_now_us() + FIXTURE_WAIT_US;
    char buf[FIXTURE_TEXT_MAX];
    while (!fixture_sql_try(s, "SELECT 1", buf, 1000)) {
        if (fixture_now_us() > until || (s->pid > 0 && waitpid(s->pid, NULL, WNOHANG) == s->pid))
            fixture_fail("server %u does not answer; see %s", s->id, s->error_log);
        fixture_sleep_ms(20);
    }
}

/* Without binlog: every server has the accounts and an empty set of transactions. */
static void fixture_accounts(const struct fixture_server *s)
{
    static const char mariadb[] =
        "GRANT BINLOG MONITOR, REPLICA MONITOR, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, "
        "READ_ONLY ADMIN, CONNECTION ADMIN, PROCESS, RELOAD, SUPER ON *.* TO tandem@localhost";
    static const char mysql[] =
        "GRANT REPLICATION CLIENT, REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, "
        "CONNECTION_ADMIN, SYSTEM_USER, PROCESS, RELOAD, XA_RECOVER_ADMIN ON *.* TO "
        "tandem@localhost";
    struct fixture_session *session = fixture_session_open(s, "root", "");
    const char *const statements[] = {
        "SET sql_log_bin=0",
        s->flavour == FIXTURE_MYSQL ? "SET GLOBAL super_read_only=0" : "SELECT 1",
        "SET GLOBAL read_only=0",
        "CREATE USER tandem@localhost IDENTIFIED BY 'a\\'gent\\\\pw'",
        s->flavour == FIXTURE_MYSQL ? mysql : mariadb,
        s->flavour == FIXTURE_MYSQL ? "GRANT SELECT ON performance_schema.* TO tandem@localhost"
                                    : "SELECT 1",
        "GRANT CREATE, SELECT, INSERT, DELETE ON tandem.* TO tandem@localhost",
        "CREATE USER tandem_repl@'127.0.0.1' IDENTIFIED BY 're\\'pl\\\\pw'",
        "GRANT REPLICATION SLAVE ON *.* TO tandem_repl@'127.0.0.1'",
        "CREATE USER app@localhost",
        "GRANT SELECT, INSERT, UPDATE, DELETE, LOCK TABLES ON *.* TO app@localhost",
        "CREATE DATABASE app",
        "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(40)) ENGINE=InnoDB",
        s->flavour == FIXTURE_MYSQL ? "SET GLOBAL super_read_only=1" : "SET GLOBAL read_only=1",
    };
    for (unsigned i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (fixture_session_sql(session, statements[i], 10000) != 0)
            fixture_fail("statement failed: %s", statements[i]);
    }
    fixture_session_close(session);
}

void fixture_server_make(struct fixture_server *s, unsigned id, const char *extra)
{
    memset(s, 0, sizeof *s);
    s->flavour = fixture.flavour;
    s->id = id;
    (void)snprintf(s->dir, sizeof s->dir, "%s/s%u-%u", fixture.dir, id, fixture.count);
    (void)snprintf(s->data_dir, sizeof s->data_dir, "%s/data", s->dir);
    (void)snprintf(s->socket, sizeof s->socket, "%s/s", s->dir);
    (void)snprintf(s->pid_file, sizeof s->pid_file, "%s/pid", s->dir);
    (void)snprintf(s->error_log, sizeof s->error_log, "%s/error.log", s->dir);
    s->port = fixture_free_port();
    if (mkdir(s->dir, 0700) != 0 ||
        fixture_shell("cp -a --sparse=always '%s/template' '%s'", fixture.dir, s->data_dir) != 0)
        fixture_fail("cannot copy the data directory");
    if (fixture.count == FIXTURE_SERVERS_MAX)
        fixture_fail("too many servers");
    fixture.servers[fixture.count++] = s;
    fixture_server_start(s, extra);
    fixture_accounts(s);
}

/* ---- sessions ---- */

struct fixture_session {
    uv_loop_t loop;
    struct mysql_conn conn;
    bool done;
    int err;
    char error[DETAIL_TEXT_MAX];
    char text[FIXTURE_TEXT_MAX];
    char socket[256];
    char user[64];
    char password[64];
};

static void session_reply(void *data, const struct mysql_reply *reply)
{
    struct fixture_session *s = data;
    struct sql_row row;
    s->done = true;
    uv_stop(&s->loop); /* else it may go on to wait after a timer's callback */
    s->err = reply->err;
    s->text[0] = '\0';
    (void)snprintf(s->error, sizeof s->error, "%s", reply->error);
    while (reply->rows != NULL && mysql_fetch(reply->rows, &row))
        (void)snprintf(s->text, sizeof s->text, "%s",
                       row.values[0] != NULL ? row.values[0] : "NULL");
}

static void session_run(struct fixture_session *s)
{
    while (!s->done)
        (void)uv_run(&s->loop, UV_RUN_ONCE);
}

static void session_closed(void *data)
{
    (void)data;
}

void fixture_session_close(struct fixture_session *s)
{
    mysql_conn_stop(&s->conn, session_closed, s);
    while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0)
        ;
    if (uv_loop_close(&s->loop) != 0)
        fixture_fail("loop not empty");
    free(s);
}

struct fixture_session *fixture_session_try(const struct fixture_server *server, const char *user,
                                            const char *password, uint32_t timeout_ms)
{
    struct fixture_session *s = calloc(1, sizeof *s);
    struct mysql_login login = {s->socket, "", 0, s->user, s->password};
    (void)snprintf(s->socket, sizeof s->socket, "%s", server->socket);
    (void)snprintf(s->user, sizeof s->user, "%s", user);
    (void)snprintf(s->password, sizeof s->password, "%s", password);
    (void)uv_loop_init(&s->loop);
    mysql_conn_init(&s->conn, &s->loop, &login, "fixture");
    if (mysql_conn_open(&s->conn, timeout_ms, session_reply, s) != 0)
        fixture_fail("session cannot be opened");
    session_run(s);
    if (s->err == 0)
        return s;
    fixture_session_close(s);
    return NULL;
}

struct fixture_session *fixture_session_open(const struct fixture_server *server, const char *user,
                                             const char *password)
{
    struct fixture_session *s = fixture_session_try(server, user, password, 10000);
    if (s == NULL)
        fixture_fail("no session as %s at server %u", user, server->id);
    return s;
}

static void session_start(struct fixture_session *s, const char *sql, uint32_t timeout_ms)
{
    int rc;
    s->done = false;
    rc = mysql_conn_query(&s->conn, sql, timeout_ms, session_reply, s);
    if (rc != 0) {
        s->done = true;
        s->err = rc;
    }
}

int fixture_session_sql(struct fixture_session *s, const char *sql, uint32_t timeout_ms)
{
    session_start(s, sql, timeout_ms);
    session_run(s);
    if (s->err == ERR_SQL)
        (void)fprintf(stderr, "# %s: %s\n", sql, s->error);
    return s->err;
}

void fixture_session_send(struct fixture_session *s, const char *sql)
{
    session_start(s, sql, 600000);
}

bool fixture_sql_try(const struct fixture_server *server, const char *sql, char *buf,
                     uint32_t timeout_ms)
{
    struct fixture_session *s = fixture_session_try(server, "root", "", timeout_ms);
    char one[FIXTURE_TEXT_MAX];
    bool ok = s != NULL;
    if (s == NULL)
        return false;
    while (ok && *sql != '\0') {
        size_t n = strcspn(sql, ";");
        (void)snprintf(one, sizeof one, "%.*s", (int)n, sql);
        ok = fixture_session_sql(s, one, timeout_ms) == 0;
        sql += n + (sql[n] == ';' ? 1 : 0);
    }
    if (ok && buf != NULL)
        (void)snprintf(buf, FIXTURE_TEXT_MAX, "%s", s->text);
    fixture_session_close(s);
    return ok;
}

void fixture_sql(const struct fixture_server *server, const char *sql, char *buf)
{
    if (!fixture_sql_try(server, sql, buf, 15000))
        fixture_fail("server %u: %s", server->id, sql);
}

void fixture_sql_until(const struct fixture_server *server, const char *sql, const char *want)
{
    int64_t until = fixture_now_us() + 10000000;
    char got[FIXTURE_TEXT_MAX];
    for (;;) {
        fixture_sql(server, sql, got);
        if (strcmp(got, want) == 0)
            return;
        if (fixture_now_us() > until)
            fixture_fail("server %u: %s is '%s', not '%s'", server->id, sql, got, want);
        fixture_sleep_ms(5);
    }
}
