/* SPDX-License-Identifier: Apache-2.0 */
/* Which cluster, and which node of it, a command is about. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include "cli/cli.h"
#include "io/config/config_file.h"

const char *cli_config_path(const struct cli *cli)
{
    const char *path = cli_option(cli, "config");
    return path != NULL ? path : CLI_CONFIG_DEFAULT;
}

int cli_config(const struct cli *cli, struct cluster_config *ret_config)
{
    struct config_errors errors;
    const char *path = cli_config_path(cli);
    if (config_load(path, ret_config, &errors) == 0)
        return CLI_OK;
    config_errors_print(&errors, path, cli->err);
    return CLI_FAILED;
}

static unsigned self_by_host_name(const struct cluster_config *c)
{
    char name[256];
    unsigned node;
    if (gethostname(name, sizeof name) != 0)
        return NODE_NONE;
    name[sizeof name - 1] = '\0';
    node = config_node_find(c, name);
    if (node != NODE_NONE)
        return node;
    name[strcspn(name, ".")] = '\0';
    return config_node_find(c, name);
}

static unsigned self_by_one_address(const struct cluster_config *c, const struct sockaddr *address)
{
    char text[ADDRESS_TEXT_MAX];
    const void *raw = NULL;
    if (address == NULL)
        return NODE_NONE;
    if (address->sa_family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (raw == NULL || inet_ntop(address->sa_family, raw, text, sizeof text) == NULL)
        return NODE_NONE;
    return config_node_find_address(c, text);
}

static unsigned self_by_address(const struct cluster_config *c)
{
    struct ifaddrs *list = NULL;
    unsigned found = NODE_NONE;
    if (getifaddrs(&list) != 0)
        return NODE_NONE;
    for (const struct ifaddrs *i = list; i != NULL && found == NODE_NONE; i = i->ifa_next)
        found = self_by_one_address(c, i->ifa_addr);
    freeifaddrs(list);
    return found;
}

unsigned cli_node_find(const struct cli *cli, const struct cluster_config *c)
{
    const char *name = cli_option(cli, "node");
    unsigned node;
    if (name != NULL)
        return config_node_find(c, name);
    node = self_by_host_name(c);
    return node != NODE_NONE ? node : self_by_address(c);
}

int cli_node(const struct cli *cli, const struct cluster_config *c, unsigned *ret_node)
{
    const char *name = cli_option(cli, "node");
    unsigned node = cli_node_find(cli, c);
    if (node == NODE_NONE && name != NULL)
        return cli_usage(cli, "'%s' is no node of cluster '%s'", name, c->cluster);
    if (node == NODE_NONE)
        return cli_usage(
            cli,
            "no node of cluster '%s' has this host's name or one of its addresses; say which "
            "it is: --node NAME",
            c->cluster);
    *ret_node = node;
    return CLI_OK;
}
