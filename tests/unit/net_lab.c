/* SPDX-License-Identifier: Apache-2.0 */
#include "net_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

int64_t lab_now_us(void)
{
    struct timespec ts;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void enter(const struct lab *lab, enum lab_side side)
{
    assert_int_equal(setns(side == LAB_HOST ? lab->host_ns : lab->peer_ns, CLONE_NEWNET), 0);
}

/* Reads the command's output into buf; its exit status, or -1. */
static int spawn(const char *command, char *buf, unsigned size)
{
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)command,
                    NULL};
    posix_spawn_file_actions_t actions;
    unsigned used = 0;
    int pipe_fd[2], status = -1;
    ssize_t n;
    pid_t pid;
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], 1), 0);
    assert_int_equal(posix_spawnp(&pid, "sh", &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    close(pipe_fd[1]);
    while (used + 1 < size && (n = read(pipe_fd[0], buf + used, size - 1 - used)) > 0)
        used += (unsigned)n;
    buf[used] = '\0';
    close(pipe_fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool lab_try(struct lab *lab, enum lab_side side, const char *command)
{
    char buf[1024];
    int status;
    enter(lab, side);
    status = spawn(command, buf, sizeof buf);
    enter(lab, LAB_HOST);
    return status == 0;
}

void lab_run(struct lab *lab, enum lab_side side, const char *command)
{
    if (!lab_try(lab, side, command))
        fail_msg("command failed: %s", command);
}

const char *lab_output(struct lab *lab, enum lab_side side, const char *command, char *buf,
                       unsigned size)
{
    int status;
    enter(lab, side);
    status = spawn(command, buf, size);
    enter(lab, LAB_HOST);
    if (status != 0)
        fail_msg("command failed: %s", command);
    return buf;
}

int lab_socket(struct lab *lab, enum lab_side side, int domain, int type, int protocol)
{
    int fd;
    enter(lab, side);
    fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    enter(lab, LAB_HOST);
    assert_true(fd >= 0);
    return fd;
}

bool lab_answers(struct lab *lab, const char *address, uint16_t port, unsigned limit_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = lab_socket(lab, LAB_PEER, AF_INET, SOCK_STREAM, 0), error = 0, n;
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof error;
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    (void)connect(fd, (const void *)&to, sizeof to);
    n = poll(&wait, 1, (int)limit_ms);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    close(fd);
    return n == 1 && (error == 0 || error == ECONNREFUSED);
}

static int new_namespace(void)
{
    int fd;
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

int lab_setup(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    char command[256];
    assert_non_null(lab);
    lab->peer_ns = new_namespace();
    lab->host_ns = new_namespace();
    assert_int_equal(uv_loop_init(&lab->loop), 0);
    lab_run(lab, LAB_HOST, "ip link set lo up && ip link add va type veth peer name vb");
    (void)snprintf(command, sizeof command, "ip link set vb netns /proc/%d/fd/%d", (int)getpid(),
                   lab->peer_ns);
    lab_run(lab, LAB_HOST, command);
    lab_run(lab, LAB_HOST,
            "ip link set va up && ip addr add 10.9.0.1/24 dev va && "
            "ip addr add fd09::1/64 dev va nodad");
    lab_run(lab, LAB_PEER,
            "ip link set lo up && ip link set vb up && ip addr add 10.9.0.2/24 dev vb && "
            "ip addr add 10.9.0.3/24 dev vb && ip addr add fd09::2/64 dev vb nodad && "
            "ip addr add fd09::3/64 dev vb nodad");
    lab->config = (struct net_config){
        .table = "tandem_test",
        .vips = {{"10.9.0.101", 24, "va", "va:vip"}, {"fd09::65", 64, "va", ""}},
        .n_vips = 2,
        .scope = NET_SCOPE_PORT,
        .ports = {3306},
        .n_ports = 1,
        .members = {"10.9.0.2", "fd09::2"},
        .n_members = 2,
        .own_address = "10.9.0.1",
    };
    *state = lab;
    return 0;
}

int lab_teardown(void **state)
{
    struct lab *lab = *state;
    lab_stop(lab);
    assert_int_equal(uv_run(&lab->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&lab->loop), 0);
    close(lab->host_ns);
    close(lab->peer_ns);
    free(lab);
    return 0;
}

/* --- adapter ----------------------------------------------------------------------------------*/

static void on_event(void *data, const struct net_event *event)
{
    struct lab *lab = data;
    assert_true(lab->n_events < LAB_EVENTS_MAX);
    lab->events[lab->n_events++] = *event;
}

static void on_result(void *data, const struct net_result *result)
{
    struct lab *lab = data;
    assert_true(lab->n_results < LAB_RESULTS_MAX);
    lab->results[lab->n_results++] = *result;
}

static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void on_log(void *data, enum log_level level, const char *id, const char *fmt, ...)
{
    struct lab *lab = data;
    va_list ap;
    (void)level;
    (void)snprintf(lab->log_id, sizeof lab->log_id, "%s", id);
    if (getenv("LAB_LOG") == NULL)
        return;
    (void)fprintf(stderr, "%s: ", id);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fputc('\n', stderr);
}

static void on_stopped(void *data)
{
    struct lab *lab = data;
    lab->stopped = true;
}

void lab_start(struct lab *lab)
{
    struct net_options options = {.loop = &lab->loop,
                                  .config = &lab->config,
                                  .on_event = on_event,
                                  .data = lab,
                                  .log = {on_log, lab}};
    struct errmsg m = ERRMSG_INIT;
    lab->stopped = false;
    if (net_start(&options, &m, &lab->net) != 0)
        fail_msg("net_start: %s", m.text);
    assert_int_equal(lab->n_events, 0);
    (void)lab_event(lab, NET_EVENT_READY, VIPS_MAX, 2000);
}

void lab_stop(struct lab *lab)
{
    if (lab->net == NULL)
        return;
    net_stop(lab->net, on_stopped, lab);
    lab->net = NULL;
    while (!lab->stopped)
        uv_run(&lab->loop, UV_RUN_ONCE);
}

static void on_tick(uv_timer_t *handle)
{
    (void)handle;
}

static void on_tick_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool lab_wait(struct lab *lab, bool (*condition)(struct lab *lab, void *data), void *data,
              unsigned limit_ms)
{
    int64_t end_us = lab_now_us() + (int64_t)limit_ms * 1000;
    bool held = false, closed = false;
    uv_timer_t tick;
    assert_int_equal(uv_timer_init(&lab->loop, &tick), 0);
    tick.data = &closed;
    assert_int_equal(uv_timer_start(&tick, on_tick, 2, 2), 0);
    while (!(held = condition != NULL && condition(lab, data)) && lab_now_us() < end_us)
        uv_run(&lab->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, on_tick_closed);
    while (!closed)
        uv_run(&lab->loop, UV_RUN_ONCE);
    return held;
}

void lab_spin_ms(struct lab *lab, unsigned ms)
{
    (void)lab_wait(lab, NULL, NULL, ms);
}

struct wanted {
    enum net_event_type type;
    unsigned vip;
};

static bool event_seen(struct lab *lab, void *data)
{
    const struct wanted *w = data;
    return lab_has_event(lab, w->type, w->vip);
}

bool lab_has_event(const struct lab *lab, enum net_event_type type, unsigned vip)
{
    for (unsigned i = 0; i < lab->n_events; i++) {
        if (lab->events[i].type == type && lab->events[i].vip == vip)
            return true;
    }
    return false;
}

const struct net_event *lab_event(struct lab *lab, enum net_event_type type, unsigned vip,
                                  unsigned limit_ms)
{
    struct wanted w = {type, vip};
    if (!lab_wait(lab, event_seen, &w, limit_ms))
        fail_msg("no event %d of vip %u in %u ms", (int)type, vip, limit_ms);
    for (unsigned i = lab->n_events; i > 0; i--) {
        if (lab->events[i - 1].type == type && lab->events[i - 1].vip == vip)
            return &lab->events[i - 1];
    }
    return NULL;
}

void lab_forget(struct lab *lab)
{
    lab->n_events = 0;
    lab->n_results = 0;
}

struct net_request lab_request(struct lab *lab, unsigned vip, unsigned timeout_ms)
{
    return (struct net_request){
        .vip = vip, .timeout_ms = timeout_ms, .done = on_result, .data = lab};
}

static bool result_seen(struct lab *lab, void *data)
{
    (void)data;
    return lab->n_results > 0;
}

struct net_result lab_result(struct lab *lab, unsigned limit_ms)
{
    struct net_result r;
    if (!lab_wait(lab, result_seen, NULL, limit_ms))
        fail_msg("no result in %u ms", limit_ms);
    r = lab->results[0];
    memmove(lab->results, lab->results + 1, --lab->n_results * sizeof r);
    return r;
}

void lab_add(struct lab *lab, unsigned vip, unsigned lifetime_s)
{
    struct net_request rq = lab_request(lab, vip, 1000);
    struct net_result r;
    assert_int_equal(net_vip_add(lab->net, &rq, lifetime_s, /* proven_free= */ true), 0);
    r = lab_result(lab, 2000);
    if (r.err != 0)
        fail_msg("net_vip_add: %s", r.msg.text);
    if (!net_vip_is_present(lab->net, vip))
        fail_msg("vip %u is not present after its addition", vip);
}

void lab_del(struct lab *lab, unsigned vip)
{
    struct net_request rq = lab_request(lab, vip, 1000);
    struct net_result r;
    assert_int_equal(net_vip_del(lab->net, &rq), 0);
    r = lab_result(lab, 2000);
    if (r.err != 0)
        fail_msg("net_vip_del: %s", r.msg.text);
    assert_false(net_vip_is_present(lab->net, vip));
}
