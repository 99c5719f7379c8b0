/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real database servers for tests: private data directory, socket and loopback port each. MariaDB
 * is the system's (mariadbd in PATH) or that of the directory in TANDEM_MARIADB; MySQL comes from
 * the directory that the environment variable TANDEM_MYSQL97 names. A failure prints where and ends
 * the test program; servers that were started are killed at exit.
 */
#ifndef TANDEM_TESTS_UNIT_MYSQL_FIXTURE_H
#define TANDEM_TESTS_UNIT_MYSQL_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#define FIXTURE_TEXT_MAX 4096
#define FIXTURE_AGENT "tandem"
#define FIXTURE_AGENT_PASSWORD "a'gent\\pw"
#define FIXTURE_REPLICATION "tandem_repl"
#define FIXTURE_REPLICATION_PASSWORD "re'pl\\pw"

enum fixture_flavour { FIXTURE_MARIADB, FIXTURE_MYSQL };

struct fixture_server {
    enum fixture_flavour flavour;
    unsigned id;
    char dir[200];
    char data_dir[256];
    char socket[256];
    char pid_file[256];
    char error_log[256];
    uint16_t port;
    pid_t pid; /* 0 = not running */
};

/* Microseconds of CLOCK_BOOTTIME. */
int64_t fixture_now_us(void);
/* Makes the directory of all servers of this program and the template of their data. */
void fixture_init(enum fixture_flavour flavour);
/* Kills what runs and removes the directory. */
void fixture_end(void);
const char *fixture_dir(void);

/* A new server with empty binlogs, the agent's and the replication account; started, answering,
 * read_only as in its configuration: on. `extra` is one more option or NULL. */
void fixture_server_make(struct fixture_server *server, unsigned id, const char *extra);
void fixture_server_start(struct fixture_server *server, const char *extra);
/* The command line that starts it, for a shell. */
void fixture_server_command(const struct fixture_server *server, const char *extra, char *buf,
                            size_t size);
void fixture_server_wait(struct fixture_server *server);
/* SIGKILL and wait. */
void fixture_server_kill(struct fixture_server *server);
void fixture_signal(const struct fixture_server *server, int signal);

/* Runs statements separated by ';' as root, one after the other; the first column of the last row
 * of the last one is copied to buf (FIXTURE_TEXT_MAX bytes), which may be NULL. */
void fixture_sql(const struct fixture_server *server, const char *sql, char *buf);
/* The same, true if it succeeded. */
bool fixture_sql_try(const struct fixture_server *server, const char *sql, char *buf,
                     uint32_t timeout_ms);
/* Until the one value of `sql` is `want`; ends the program after ten seconds. */
void fixture_sql_until(const struct fixture_server *server, const char *sql, const char *want);

/* A client session that stays, for sessions that hold or wait for something. */
struct fixture_session;
struct fixture_session *fixture_session_open(const struct fixture_server *server, const char *user,
                                             const char *password);
/* NULL if the server does not let us in. */
struct fixture_session *fixture_session_try(const struct fixture_server *server, const char *user,
                                            const char *password, uint32_t timeout_ms);
/* Waits for the answer for timeout_ms; 0, or the negative err of the reply. */
int fixture_session_sql(struct fixture_session *session, const char *sql, uint32_t timeout_ms);
/* Sends without waiting for the answer. */
void fixture_session_send(struct fixture_session *session, const char *sql);
void fixture_session_close(struct fixture_session *session);

#endif
