/* SPDX-License-Identifier: Apache-2.0 */
#include "io/clone/clone_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_BYTES 2048
#define EXIT_NO_PROGRAM 127 /* the shell's as well */
#define EXIT_NO_USER 126

void clone_pipe_die_with_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int clone_pipe_secret(const char *text, int *ret_fd)
{
    size_t len = strlen(text);
    int fd = memfd_create("tandem-client", 0);
    if (fd < 0)
        return ERR_IO;
    /* A configuration file that all may write is ignored by the clients. */
    if (fchmod(fd, 0600) != 0 || write(fd, text, len) != (ssize_t)len) {
        (void)close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return 0;
}

/* In the new process, until exec. */
static void pipe_child(const struct clone_pipe_config *c, int fd, int log)
{
    bool reads = c->kind == CLONE_PIPE_WRITE;
    int null = open("/dev/null", O_RDONLY);
    if (c->drops && geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setgid(c->gid) != 0 || setuid(c->uid) != 0)) {
        (void)dprintf(log, "cannot run as user %u: %s\n", (unsigned)c->uid, strerror(errno));
        _exit(EXIT_NO_USER);
    }
    /* After the change of the user, which would undo it (prctl(2)). */
    clone_pipe_die_with_parent();
    (void)signal(SIGPIPE, SIG_DFL);
    (void)dup2(reads ? fd : null, STDIN_FILENO);
    (void)dup2(c->kind == CLONE_PIPE_READ ? fd : log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    if (c->pass_fd >= 0)
        (void)fcntl(c->pass_fd, F_SETFD, 0);
    (void)execvp(c->argv[0], c->argv);
    _exit(EXIT_NO_PROGRAM);
}

int clone_pipe_start(const struct clone_pipe_config *c, struct clone_pipe *ret_pipe,
                     struct errmsg *m)
{
    int ends[2] = {-1, -1};
    int theirs = c->kind == CLONE_PIPE_READ ? 1 : 0;
    int log = open(c->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return errmsg_set(m, ERR_IO, "cannot write '%s': %s", c->log_file, strerror(errno));
    if (c->kind != CLONE_PIPE_NONE && pipe2(ends, O_CLOEXEC) != 0) {
        (void)close(log);
        return errmsg_set(m, ERR_IO, "pipe: %s", strerror(errno));
    }
    ret_pipe->pid = fork();
    if (ret_pipe->pid == 0)
        pipe_child(c, ends[theirs], log);
    (void)close(log);
    if (ends[theirs] >= 0)
        (void)close(ends[theirs]);
    ret_pipe->fd = ends[1 - theirs];
    if (ret_pipe->pid > 0)
        return 0;
    if (ret_pipe->fd >= 0)
        (void)close(ret_pipe->fd);
    return errmsg_set(m, ERR_IO, "%s: %s", c->name, strerror(errno));
}

/* The last line of a file that is not empty. */
static void pipe_last_words(const char *path, char *ret_text, size_t size)
{
    char text[LAST_BYTES + 1];
    char *line;
    size_t n = 0;
    FILE *f = fopen(path, "re");
    ret_text[0] = '\0';
    if (f == NULL)
        return;
    if (fseek(f, -LAST_BYTES, SEEK_END) != 0)
        rewind(f);
    n = fread(text, 1, LAST_BYTES, f);
    (void)fclose(f);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = '\0';
    line = strrchr(text, '\n');
    (void)snprintf(ret_text, size, "%s", line != NULL ? line + 1 : text);
}

int clone_pipe_wait(struct clone_pipe *p, const struct clone_pipe_config *c, struct errmsg *m)
{
    char words[160];
    int status = 0;
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    p->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM)
        return errmsg_set(m, ERR_NOTFOUND, "there is no program '%s' on this host; %s", c->name,
                          c->missing);
    pipe_last_words(c->log_file, words, sizeof words);
    return errmsg_set(m, ERR_IO, "%s failed: %s (all of it: %s)", c->name, words, c->log_file);
}

bool clone_pipe_is_over(const struct clone_pipe *p)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

void clone_pipe_kill(struct clone_pipe *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
    if (p->pid > 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
    }
    p->pid = 0;
}
