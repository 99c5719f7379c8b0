/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path of a bootstrap: make the directory, write the identity (temporary file, fsync, rename,
 * fsync of the directory), let libraft write term 1 and the first configuration.
 *
 * Failure modes: an interrupted bootstrap leaves an identity without a log, which never votes and
 * may be bootstrapped again; a directory with a log is never touched; the identity of another
 * cluster or node is never overwritten.
 */
#include "io/raft/raft_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arbiter/raft_node.h"
#include "util/codec.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_MAGIC 0x74616472u
#define IDENTITY_VERSION 1
#define IDENTITY_VERSION_REBUILT 2 /* with a generation; only written if there is one */
#define JOINS_FILE "joins"
#define FRESH_FILE "rebuilt"
#define IDENTITY_SIZE_MAX 256

static void walk_identity(struct codec *c, struct raft_identity *id)
{
    uint32_t magic = IDENTITY_MAGIC;
    uint16_t version = id->generation == 0 ? IDENTITY_VERSION : IDENTITY_VERSION_REBUILT;
    codec_u32(c, &magic);
    codec_u16(c, &version);
    if (c->err == 0 && magic != IDENTITY_MAGIC)
        c->err = ERR_FORMAT;
    if (c->err == 0 && version != IDENTITY_VERSION && version != IDENTITY_VERSION_REBUILT)
        c->err = ERR_VERSION;
    codec_text(c, id->cluster, sizeof id->cluster);
    codec_u8(c, &id->node);
    codec_text(c, id->uuid, sizeof id->uuid);
    if (version == IDENTITY_VERSION_REBUILT) {
        codec_u32(c, &id->generation);
        codec_u64(c, &id->rebuilt_term);
    }
}

static int io_error(struct errmsg *msg, const char *what, const char *path)
{
    int err = errno == ENOSPC ? ERR_NOSPC : errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
    return errmsg_set(msg, err, "%s %s: %s", what, path, strerror(errno));
}

int raft_dir_identity(const char *dir, struct raft_identity *ret_identity, struct errmsg *msg)
{
    char path[PATH_TEXT_MAX + 32];
    uint8_t buf[IDENTITY_SIZE_MAX];
    struct raft_identity id = {0};
    struct codec c;
    ssize_t n;
    int fd, err;
    (void)snprintf(path, sizeof path, "%s/" IDENTITY_FILE, dir);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(msg, "open", path);
    n = read(fd, buf, sizeof buf);
    if (n < 0) {
        err = io_error(msg, "read", path);
        (void)close(fd);
        return err;
    }
    (void)close(fd);
    c = codec_decoder(buf, (size_t)n);
    walk_identity(&c, &id);
    err = codec_finish(&c);
    if (err != 0)
        return errmsg_set(msg, err,
                          "%s: %s; restore it, or empty the directory and add the node "
                          "again",
                          path, err_text(err));
    *ret_identity = id;
    return 0;
}

int raft_dir_check(const char *dir, const struct raft_identity *id, const char *cluster,
                   unsigned self, struct errmsg *msg)
{
    if (strcmp(id->cluster, cluster) != 0)
        return errmsg_set(msg, ERR_STATE,
                          "%s belongs to cluster '%s', not to '%s': set state_dir to this "
                          "cluster's directory",
                          dir, id->cluster, cluster);
    if (id->node != self)
        return errmsg_set(msg, ERR_STATE,
                          "%s belongs to node %u of the cluster, not to node %u: a copied "
                          "directory would vote twice; set state_dir to this node's directory",
                          dir, id->node, self);
    return 0;
}

bool raft_dir_has_space(const char *dir, uint64_t bytes)
{
    struct statvfs vfs;
    if (statvfs(dir, &vfs) != 0)
        return true;
    return (uint64_t)vfs.f_bavail * vfs.f_frsize >= bytes;
}

static int no_init(struct raft_uv_transport *t, raft_id id, const char *address)
{
    (void)t;
    (void)id;
    (void)address;
    return 0;
}

static int no_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
    (void)t;
    (void)cb;
    return 0;
}

static int no_connect(struct raft_uv_transport *t, struct raft_uv_connect *req, raft_id id,
                      const char *address, raft_uv_connect_cb cb)
{
    (void)t;
    (void)req;
    (void)id;
    (void)address;
    (void)cb;
    return RAFT_NOCONNECTION;
}

static void no_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
    cb(t);
}

void raft_dir_no_transport(struct raft_uv_transport *t)
{
    *t = (struct raft_uv_transport){.version = 1,
                                    .init = no_init,
                                    .listen = no_listen,
                                    .connect = no_connect,
                                    .close = no_close};
}

static int write_all(int fd, const char *path, const void *buf, size_t len, struct errmsg *msg)
{
    ssize_t n = write(fd, buf, len);
    if (n >= 0 && (size_t)n != len) {
        errno = ENOSPC;
        n = -1;
    }
    if (n < 0 || fsync(fd) != 0)
        return io_error(msg, "write", path);
    return 0;
}

static int sync_dir(const char *dir, struct errmsg *msg)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = 0;
    if (fd < 0)
        return io_error(msg, "open", dir);
    if (fsync(fd) != 0)
        err = io_error(msg, "fsync", dir);
    (void)close(fd);
    return err;
}

static int write_identity(const char *dir, struct raft_identity *id, struct errmsg *msg)
{
    char path[PATH_TEXT_MAX + 32], fresh[PATH_TEXT_MAX + 32];
    uint8_t buf[IDENTITY_SIZE_MAX];
    struct codec c = codec_encoder(buf, sizeof buf);
    int fd, err;
    walk_identity(&c, id);
    err = codec_finish(&c);
    assert(err == 0);
    (void)snprintf(path, sizeof path, "%s/" IDENTITY_FILE, dir);
    (void)snprintf(fresh, sizeof fresh, "%s/" IDENTITY_FILE ".new", dir);
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(msg, "create", fresh);
    err = write_all(fd, fresh, buf, codec_used(&c), msg);
    (void)close(fd);
    if (err == 0 && rename(fresh, path) != 0)
        err = io_error(msg, "rename", fresh);
    return err == 0 ? sync_dir(dir, msg) : err;
}

int raft_dir_set_identity(const char *dir, const struct raft_identity *identity, struct errmsg *msg)
{
    struct raft_identity copy = *identity;
    return write_identity(dir, &copy, msg);
}

/* ---- marks ---- */

static bool has_mark(const char *dir, const char *name)
{
    char path[PATH_TEXT_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int set_mark(const char *dir, const char *name, bool there, struct errmsg *msg)
{
    char path[PATH_TEXT_MAX + 32];
    int fd;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!there && unlink(path) != 0 && errno != ENOENT)
        return io_error(msg, "remove", path);
    if (there) {
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return io_error(msg, "create", path);
        (void)close(fd);
    }
    return sync_dir(dir, msg);
}

bool raft_dir_joins(const char *dir)
{
    return has_mark(dir, JOINS_FILE);
}

int raft_dir_joined(const char *dir, struct errmsg *msg)
{
    return set_mark(dir, JOINS_FILE, /* there= */ false, msg);
}

bool raft_dir_is_fresh(const char *dir)
{
    return has_mark(dir, FRESH_FILE);
}

int raft_dir_set_fresh(const char *dir, bool fresh, struct errmsg *msg)
{
    return set_mark(dir, FRESH_FILE, fresh, msg);
}

static int make_uuid(char *buf, struct errmsg *msg)
{
    uint8_t random[(RAFT_DIR_UUID_MAX - 1) / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return errmsg_set(msg, ERR_IO, "the kernel gives no random numbers: %s", strerror(errno));
    for (unsigned i = 0; i < sizeof random; i++)
        (void)snprintf(buf + 2 * i, 3, "%02x", random[i]);
    return 0;
}

struct bootstrap {
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft raft;
};

static int bootstrap_result(int rv, const char *dir, const char *detail, struct errmsg *msg)
{
    int err = rv == RAFT_CANTBOOTSTRAP ? ERR_EXISTS
              : rv == RAFT_NOSPACE     ? ERR_NOSPC
              : rv == RAFT_NOMEM       ? ERR_NOMEM
                                       : ERR_IO;
    if (rv == 0)
        return 0;
    if (err == ERR_EXISTS)
        return errmsg_set(msg, err, "%s holds a raft log already", dir);
    return errmsg_set(msg, err, "%s: %s", dir, detail);
}

static int bootstrap_log(const struct raft_dir_seed *seed, struct raft_configuration *conf,
                         struct errmsg *msg)
{
    struct bootstrap b = {.fsm = {.version = 1}};
    char address[16];
    int err, rv;
    if (uv_loop_init(&b.loop) != 0)
        return ERR_NOMEM;
    raft_dir_no_transport(&b.transport);
    raft_node_address(seed->self, address, sizeof address);
    rv = raft_uv_init(&b.io, &b.loop, seed->dir, &b.transport);
    if (rv != 0) {
        (void)uv_loop_close(&b.loop);
        return bootstrap_result(rv, seed->dir, b.io.errmsg, msg);
    }
    rv = raft_init(&b.raft, &b.io, &b.fsm, raft_node_id(seed->self), address);
    if (rv == 0) {
        rv = raft_bootstrap(&b.raft, conf);
        err = bootstrap_result(rv, seed->dir, b.io.errmsg, msg);
        raft_close(&b.raft, NULL);
        (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    } else {
        err = bootstrap_result(rv, seed->dir, raft_errmsg(&b.raft), msg);
    }
    raft_uv_close(&b.io);
    rv = uv_loop_close(&b.loop);
    assert(rv == 0);
    return err;
}

static int check_seed(const struct raft_dir_seed *seed, struct errmsg *msg)
{
    uint32_t known = seed->n_nodes < 32 ? (1u << seed->n_nodes) - 1 : 0;
    if (seed->n_nodes == 0 || seed->n_nodes > NODES_MAX || seed->self >= seed->n_nodes)
        return errmsg_set(msg, ERR_INVAL, "node %u of %u is no node", seed->self, seed->n_nodes);
    if (seed->voters == 0 || (seed->voters & ~known) != 0)
        return errmsg_set(msg, ERR_INVAL, "voters must be nodes of the cluster, at least one");
    if (strlen(seed->cluster) >= RAFT_DIR_CLUSTER_MAX || seed->cluster[0] == '\0')
        return errmsg_set(msg, ERR_INVAL, "the cluster's name must have 1 to %d characters",
                          RAFT_DIR_CLUSTER_MAX - 1);
    if (strlen(seed->dir) >= PATH_TEXT_MAX)
        return errmsg_set(msg, ERR_INVAL, "directory longer than %d characters", PATH_TEXT_MAX - 1);
    return 0;
}

static bool has_log(const char *dir)
{
    static const char *const names[] = {"metadata1", "metadata2"};
    char path[PATH_TEXT_MAX + 32];
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* The directory, with an identity of that node and without a log. */
static int prepare(const struct raft_dir_seed *seed, uint32_t generation, struct errmsg *msg)
{
    struct raft_identity id = {.generation = generation};
    int err = check_seed(seed, msg);
    if (err != 0)
        return err;
    if (mkdir(seed->dir, 0700) != 0 && errno != EEXIST)
        return io_error(msg, "mkdir", seed->dir);
    /* A log without an identity may be anybody's: it must not get one here. */
    if (has_log(seed->dir))
        return errmsg_set(msg, ERR_EXISTS, "%s holds a raft log already", seed->dir);
    err = raft_dir_identity(seed->dir, &id, msg);
    if (err == ERR_NOTFOUND) {
        (void)snprintf(id.cluster, sizeof id.cluster, "%s", seed->cluster);
        id.node = (uint8_t)seed->self;
        err = make_uuid(id.uuid, msg);
        if (err == 0)
            err = write_identity(seed->dir, &id, msg);
    } else if (err == 0 &&
               raft_dir_check(seed->dir, &id, seed->cluster, seed->self, msg) == ERR_STATE) {
        err = ERR_EXISTS;
    }
    return err;
}

int raft_dir_join(const struct raft_dir_seed *seed, uint32_t generation, struct errmsg *msg)
{
    int err = prepare(seed, generation, msg);
    return err != 0 ? err : set_mark(seed->dir, JOINS_FILE, /* there= */ true, msg);
}

int raft_dir_bootstrap(const struct raft_dir_seed *seed, struct errmsg *msg)
{
    struct raft_configuration conf;
    int err = prepare(seed, 0, msg);
    if (err != 0)
        return err;
    err = raft_node_configuration(seed->n_nodes, seed->voters, &conf);
    if (err != 0)
        return err;
    err = bootstrap_log(seed, &conf, msg);
    raft_configuration_close(&conf);
    return err;
}
