/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/salvage_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/cli_ask.h"

#define PARTIAL ".partial"
#define UUID_SHOWN 8

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

/* A UUID is cut to what people compare: "51f7dd9b..:4". */
static void short_gtid(const char *gtid, char *buf, size_t size)
{
    const char *colon = strchr(gtid, ':');
    if (colon != NULL && colon - gtid > UUID_SHOWN)
        (void)snprintf(buf, size, "%.*s..%s", UUID_SHOWN, gtid, colon);
    else
        (void)snprintf(buf, size, "%s", gtid);
}

static void put_gtids(json_t *salvage, const json_t *manifest, int64_t count)
{
    const json_t *first = json_array_get(json_object_get(manifest, "transactions"), 0);
    char gtid[128], text[192];
    short_gtid(json_member_text(first, "gtid", ""), gtid, sizeof gtid);
    if (count > 1)
        (void)snprintf(text, sizeof text, "%s and %lld more", gtid, (long long)count - 1);
    else
        (void)snprintf(text, sizeof text, "%s", gtid);
    (void)json_object_set_new(salvage, "gtids", json_string(text));
}

/* The reason of a refused rewind says more than the note of who asked for it. */
static void put_why(json_t *salvage, const json_t *manifest)
{
    const json_t *reason = json_object_get(manifest, "reason");
    const char *id = json_member_text(reason, "id", "ok");
    const char *why = strcmp(id, "ok") == 0 ? json_member_text(manifest, "note", "")
                                            : json_member_text(reason, "text", "");
    (void)json_object_set_new(salvage, "why", json_string(why));
}

static void put_manifest(json_t *salvage, json_t *manifest)
{
    static const char *const copied[] = {"node", "epoch", "created", "kind"};
    int64_t count = json_member_number(manifest, "groups", 0);
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
        json_t *value = json_object_get(manifest, copied[i]);
        if (value != NULL)
            (void)json_object_set(salvage, copied[i], value);
    }
    put_why(salvage, manifest);
    (void)json_object_set_new(
        salvage, "class",
        json_string(json_member_text(json_object_get(manifest, "class"), "id", "not-judged")));
    (void)json_object_set_new(salvage, "transactions", json_integer(count));
    put_gtids(salvage, manifest, count);
    (void)json_object_set_new(salvage, "manifest", manifest);
}

/* Of all files in it; -1: no such directory. */
static int64_t directory_bytes(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    int64_t bytes = 0;
    if (d == NULL)
        return -1;
    while ((e = readdir(d)) != NULL) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            bytes += st.st_size;
    }
    (void)closedir(d);
    return bytes;
}

static json_t *read_manifest(const char *dir)
{
    char path[SALVAGE_DIR_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/manifest.json", dir);
    return json_load_file(path, 0, NULL);
}

json_t *salvage_dir_read(const struct cli *cli, const struct config_node *n, const char *name,
                         struct errmsg *ret_why)
{
    char path[SALVAGE_DIR_PATH_MAX];
    struct errmsg why = ERRMSG_INIT;
    json_t *salvage, *manifest;
    bool restorable;
    int64_t bytes;
    (void)snprintf(path, sizeof path, "%s/salvage/%s", n->state_dir, name);
    bytes = strchr(name, '/') == NULL && name[0] != '.' ? directory_bytes(path) : -1;
    if (bytes < 0) {
        (void)errmsg_set(ret_why, ERR_NOTFOUND,
                         "no salvage '%s' in %s/salvage; see: tandem salvage list", name,
                         n->state_dir);
        return NULL;
    }
    manifest = read_manifest(path);
    restorable =
        cli->services->salvage_check != NULL && cli->services->salvage_check(n, path, &why) == 0;
    salvage =
        json_pack("{s:s, s:s, s:b, s:I, s:b, s:s?, s:n}", "name", name, "path", path, "complete",
                  !ends_with(name, PARTIAL) && manifest != NULL, "bytes", (json_int_t)bytes,
                  "restorable", restorable, "why_not", restorable ? NULL : why.text, "manifest");
    if (salvage != NULL && manifest != NULL)
        put_manifest(salvage, manifest);
    else
        json_decref(manifest);
    if (salvage == NULL)
        (void)errmsg_set(ret_why, ERR_NOMEM, "%s: %s", name, err_text(ERR_NOMEM));
    return salvage;
}

static int is_salvage(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

json_t *salvage_dir_list(const struct cli *cli, const struct config_node *n, struct errmsg *ret_why)
{
    char path[SALVAGE_DIR_PATH_MAX];
    struct dirent **names = NULL;
    json_t *list = json_array();
    int count;
    (void)snprintf(path, sizeof path, "%s/salvage", n->state_dir);
    count = scandir(path, &names, is_salvage, alphasort);
    if (count < 0 && errno != ENOENT) {
        (void)errmsg_set(ret_why, ERR_IO, "cannot read %s: %s", path, strerror(errno));
        json_decref(list);
        return NULL;
    }
    for (int i = 0; i < count; i++) {
        json_t *one = salvage_dir_read(cli, n, names[i]->d_name, ret_why);
        if (one != NULL)
            (void)json_array_append_new(list, one);
        free(names[i]);
    }
    free(names);
    return list;
}
