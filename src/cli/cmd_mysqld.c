/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem mysqld stop [--force] [--timeout SECONDS]: the end of this host's server that acknowledges
 * nothing which nobody else has. Also ExecStop of the server's unit (packaging/mysqld-tandem.conf).
 *
 *   no process                     nothing to do (systemd runs ExecStop after a crash as well: it
 *                                  must not look like an operator's order then)
 *   agent answers                  into maintenance, so that nobody starts the server again; if it
 *                                  is the writer that hands over; then SIGTERM once it is closed
 *   agent answers, cannot          refused, with --force SIGKILL
 *   no agent, server is closed     SIGTERM
 *   no agent, open or not known    SIGKILL: a SIGTERM tells sessions that wait for a standby
 *                                  "committed" (docs/design/fence.md), a crash tells them nothing
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "cli/cli_ask.h"

#define MYSQLD_TIMEOUT_S 600
#define MYSQLD_KILL_WAIT_MS 60000
#define MYSQLD_CLOSE_EXTRA_MS 60000
#define MYSQLD_POLL_MS 100

struct mysqld {
    const struct cli *cli;
    const struct cli_ask *ask;
    const struct config_node *node;
    bool force;
    int64_t timeout_ms;
    int pidfd;
    int pid;
};

/* ---- the process ---- */

static bool mysqld_read_line(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    if (fd < 0)
        return false;
    n = read(fd, buf, size - 1);
    (void)close(fd);
    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    return n > 0;
}

/* A recycled pid must not be shot: name and working directory are the server's. */
static bool mysqld_is_ours(const struct mysqld *m)
{
    char path[64];
    char name[64];
    char cwd[PATH_MAX];
    char data_dir[PATH_MAX];
    ssize_t n;
    (void)snprintf(path, sizeof path, "/proc/%d/comm", m->pid);
    if (!mysqld_read_line(path, name, sizeof name) ||
        (strcmp(name, "mysqld") != 0 && strcmp(name, "mariadbd") != 0))
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/cwd", m->pid);
    n = readlink(path, cwd, sizeof cwd - 1);
    cwd[n > 0 ? n : 0] = '\0';
    /* Not allowed to look: then the signal is refused as well, and says so. */
    if (n < 0 && errno == EACCES)
        return true;
    return n > 0 && realpath(m->node->mysql.data_dir, data_dir) != NULL &&
           strcmp(cwd, data_dir) == 0;
}

static bool mysqld_has_ended(const struct mysqld *m, int64_t timeout_ms)
{
    struct pollfd p = {.fd = m->pidfd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* False: no live process of this server. */
static bool mysqld_find(struct mysqld *m)
{
    char text[32];
    if (!mysqld_read_line(m->node->mysql.pid_file, text, sizeof text))
        return false;
    m->pid = (int)strtol(text, NULL, 10);
    m->pidfd = m->pid > 1 ? pidfd_open(m->pid, 0) : -1;
    /* Judged after pidfd_open: from here on the descriptor is that very process. */
    if (m->pidfd >= 0 && mysqld_is_ours(m) && !mysqld_has_ended(m, 0))
        return true;
    if (m->pidfd >= 0)
        (void)close(m->pidfd);
    m->pidfd = -1;
    return false;
}

static int mysqld_end(const struct mysqld *m, int number, int64_t timeout_ms)
{
    fprintf(m->cli->out, "mysqld of %s (pid %d) gets %s\n", m->node->name, m->pid,
            number == SIGKILL ? "SIGKILL: it must not acknowledge anything any more" : "SIGTERM");
    (void)fflush(m->cli->out);
    if (pidfd_send_signal(m->pidfd, number, NULL, 0) != 0 && errno != ESRCH)
        return cli_fail(m->cli, "pid %d cannot be signalled: %s", m->pid, strerror(errno));
    if (!mysqld_has_ended(m, timeout_ms))
        return cli_fail(m->cli, "pid %d has not ended after %lld ms; see its error log%s%s", m->pid,
                        (long long)timeout_ms, m->node->mysql.error_log[0] != '\0' ? " " : "",
                        m->node->mysql.error_log);
    fprintf(m->cli->out, "mysqld of %s has ended\n", m->node->name);
    return CLI_OK;
}

static bool mysqld_is_closed(const struct mysqld *m)
{
    return m->cli->services->server_is_closed != NULL &&
           m->cli->services->server_is_closed(m->node);
}

/* ---- with the agent's help ---- */

/* The cluster's view of this node in one status. */
struct mysqld_role {
    bool writer;
    bool paused;
    bool maintenance;
};

static int mysqld_ask_role(const struct mysqld *m, struct errmsg *why, struct mysqld_role *ret_role)
{
    json_t *status = NULL;
    const json_t *self;
    int result = cli_ask_op_quietly(m->ask, "status", why, &status);
    if (result != CLI_OK)
        return result;
    self = json_member_node(status, m->node->name);
    ret_role->writer = strcmp(json_member_text(status, "writer", ""), m->node->name) == 0;
    ret_role->paused = json_member_is(status, "paused");
    ret_role->maintenance = json_member_is(self, "maintenance");
    json_decref(status);
    return CLI_OK;
}

static int mysqld_refuse(const struct mysqld *m, const char *why)
{
    if (m->force) {
        fprintf(m->cli->out, "%s; --force was given\n", why);
        return mysqld_end(m, SIGKILL, MYSQLD_KILL_WAIT_MS);
    }
    return cli_fail(
        m->cli,
        "%s. Nothing was stopped. With --force the server ends as in a crash (SIGKILL): "
        "nothing unsafe is acknowledged, but there is no writer until it or another "
        "one is up",
        why);
}

/* Maintenance of the writer makes the leader hand over; then the server is closed. */
static int mysqld_wait_closed(const struct mysqld *m)
{
    int64_t limit_ms =
        (int64_t)m->ask->config->policy.switchover_timeout_ms + MYSQLD_CLOSE_EXTRA_MS;
    int64_t deadline_ms = cli_now_ms() + limit_ms;
    struct errmsg why = ERRMSG_INIT;
    struct mysqld_role role = {.writer = true};
    while (cli_now_ms() < deadline_ms) {
        if (mysqld_has_ended(m, 0))
            return CLI_OK;
        if (mysqld_ask_role(m, &why, &role) == CLI_OK && !role.writer && mysqld_is_closed(m))
            return mysqld_end(m, SIGTERM, m->timeout_ms);
        cli_sleep_ms(MYSQLD_POLL_MS);
    }
    return mysqld_refuse(m, role.writer ? "this node is still the writer, it could not hand over; "
                                          "see `tandem status`"
                                        : "the server is still writable; see `tandem status`");
}

static int mysqld_stop_with_agent(const struct mysqld *m, const struct mysqld_role *role)
{
    struct errmsg text = ERRMSG_INIT;
    int status;
    if (role->paused && role->writer)
        return mysqld_refuse(m,
                             "this node is the writer and the cluster is paused, so nobody takes "
                             "over; `tandem resume` first");
    if (role->paused || role->maintenance)
        return mysqld_wait_closed(m);
    status = cli_ask_command(m->ask, "maintenance", m->node->name, true, &text);
    if (status != CLI_OK && role->writer)
        return mysqld_refuse(m, "the writer could not hand over");
    if (status != CLI_OK)
        fprintf(m->cli->err,
                "going on: this node is not the writer; the agent may start the server "
                "again\n");
    else
        fprintf(m->cli->out, "%s; when the server may run again: tandem maintenance %s off\n",
                text.text, m->node->name);
    return mysqld_wait_closed(m);
}

static int mysqld_stop(struct mysqld *m)
{
    struct errmsg why = ERRMSG_INIT;
    struct mysqld_role role;
    bool closed;
    int status;
    if (!mysqld_find(m)) {
        fprintf(m->cli->out, "mysqld of %s does not run\n", m->node->name);
        return CLI_OK;
    }
    status = mysqld_ask_role(m, &why, &role);
    if (status == CLI_OK) {
        status = mysqld_stop_with_agent(m, &role);
    } else {
        closed = mysqld_is_closed(m);
        fprintf(m->cli->err, "%s\n", why.text);
        status =
            mysqld_end(m, closed ? SIGTERM : SIGKILL, closed ? m->timeout_ms : MYSQLD_KILL_WAIT_MS);
    }
    (void)close(m->pidfd);
    return status;
}

int cmd_mysqld(struct cli *cli)
{
    const char *text = cli_option(cli, "timeout");
    struct cli_ask ask;
    struct mysqld m = {.cli = cli, .pidfd = -1, .timeout_ms = MYSQLD_TIMEOUT_S * 1000};
    char *end = NULL;
    int status;
    if (cli->n_args != 1 || strcmp(cli->args[0], "stop") != 0)
        return cli_usage(cli, "say what to do: stop");
    if (text != NULL) {
        m.timeout_ms = strtoll(text, &end, 10) * 1000;
        if (end == text || *end != '\0' || m.timeout_ms < 1000 || m.timeout_ms > INT_MAX)
            return cli_usage(cli, "--timeout '%s': a number of seconds", text);
    }
    m.force = cli_option(cli, "force") != NULL;
    status = cli_ask_open(cli, &ask);
    if (status == CLI_OK && !config_node_has_mysql(ask.config, ask.node))
        status = cli_fail(cli, "this node is a witness, it has no server");
    if (status == CLI_OK) {
        m.ask = &ask;
        m.node = &ask.config->nodes[ask.node];
        status = mysqld_stop(&m);
    }
    cli_ask_close(&ask);
    return status;
}
