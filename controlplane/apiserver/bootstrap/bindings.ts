/**
 * Upstream's default bindings, and the roles and bindings of single namespaces.
 * Source: kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/{policy,namespace_policy}.go`, 1.36; kubeadm's bindings for joining nodes.
 */
import type { ClusterRoleBinding, Role, RoleBinding } from '../../../proto/api/rbac-v1.ts';
import { account, clusterRoleBinding, group, READ, role, roleBinding, rule, user } from './rules.ts';

const BOOTSTRAPPERS = group('system:bootstrappers');

export function defaultClusterRoleBindings(): ClusterRoleBinding[] {
  return [
    clusterRoleBinding('cluster-admin', 'cluster-admin', group('system:masters')),
    clusterRoleBinding('system:monitoring', 'system:monitoring', group('system:monitoring')),
    clusterRoleBinding('system:discovery', 'system:discovery', group('system:authenticated')),
    clusterRoleBinding('system:basic-user', 'system:basic-user', group('system:authenticated')),
    clusterRoleBinding(
      'system:public-info-viewer',
      'system:public-info-viewer',
      group('system:authenticated'),
      group('system:unauthenticated'),
    ),
    clusterRoleBinding(
      'system:service-account-issuer-discovery',
      'system:service-account-issuer-discovery',
      group('system:serviceaccounts'),
    ),
    clusterRoleBinding('system:node-proxier', 'system:node-proxier', user('system:kube-proxy')),
    clusterRoleBinding(
      'system:kube-controller-manager',
      'system:kube-controller-manager',
      user('system:kube-controller-manager'),
    ),
    clusterRoleBinding('system:kube-dns', 'system:kube-dns', account('kube-system', 'kube-dns')),
    clusterRoleBinding('system:kube-scheduler', 'system:kube-scheduler', user('system:kube-scheduler')),
    clusterRoleBinding('system:volume-scheduler', 'system:volume-scheduler', user('system:kube-scheduler')),
    // The Node authorizer decides what nodes may do; upstream keeps this binding without subjects too.
    clusterRoleBinding('system:node', 'system:node'),
    clusterRoleBinding('k8ts:node-bootstrapper', 'system:node-bootstrapper', BOOTSTRAPPERS),
    clusterRoleBinding(
      'k8ts:node-autoapprove-bootstrap',
      'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      BOOTSTRAPPERS,
    ),
    clusterRoleBinding(
      'k8ts:node-autoapprove-certificate-rotation',
      'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
      group('system:nodes'),
    ),
    clusterRoleBinding('k8ts:node-services', 'k8ts:node-services', group('system:nodes'), user('system:kube-proxy')),
    clusterRoleBinding('k8ts:kubelet-api-admin', 'system:kubelet-api-admin', user('kube-apiserver-kubelet-client')),
  ];
}

export function defaultRoles(): Role[] {
  return [
    role('kube-system', 'extension-apiserver-authentication-reader', [
      rule(READ, 'core', 'configmaps', 'extension-apiserver-authentication'),
    ]),
    role('kube-system', 'system:controller:bootstrap-signer', [rule(READ, 'core', 'secrets')]),
    role('kube-system', 'system:controller:cloud-provider', [
      rule('create get list update watch', 'core', 'configmaps'),
    ]),
    role('kube-system', 'system:controller:token-cleaner', [rule('delete get list watch', 'core', 'secrets')]),
    role('kube-system', 'system::leader-locking-kube-controller-manager', [
      rule('watch', 'core', 'configmaps'),
      rule('get update', 'core', 'configmaps', 'kube-controller-manager'),
    ]),
    role('kube-system', 'system::leader-locking-kube-scheduler', [
      rule('watch', 'core', 'configmaps'),
      rule('get update', 'core', 'configmaps', 'kube-scheduler'),
    ]),
    role('kube-public', 'system:controller:bootstrap-signer', [
      rule(READ, 'core', 'configmaps'),
      rule('update', 'core', 'configmaps', 'cluster-info'),
      rule('create patch update', 'core events.k8s.io', 'events'),
    ]),
    // What users set for cluster DNS, which every node reads.
    role('kube-system', 'k8ts:node-dns', [rule('list watch', 'core', 'configmaps', 'kube-dns')]),
    role('kube-public', 'k8ts:cluster-info', [rule('get', 'core', 'configmaps', 'cluster-info')]),
  ];
}

export function defaultRoleBindings(): RoleBinding[] {
  const system = 'kube-system';
  return [
    roleBinding('kube-system', 'k8ts:node-dns', 'k8ts:node-dns', group('system:nodes'), user('system:kube-proxy')),
    roleBinding(
      system,
      'system::extension-apiserver-authentication-reader',
      'extension-apiserver-authentication-reader',
      user('system:kube-controller-manager'),
      user('system:kube-scheduler'),
    ),
    roleBinding(
      system,
      'system:controller:bootstrap-signer',
      'system:controller:bootstrap-signer',
      account(system, 'bootstrap-signer'),
    ),
    roleBinding(
      system,
      'system:controller:cloud-provider',
      'system:controller:cloud-provider',
      account(system, 'cloud-provider'),
    ),
    roleBinding(
      system,
      'system:controller:token-cleaner',
      'system:controller:token-cleaner',
      account(system, 'token-cleaner'),
    ),
    roleBinding(
      system,
      'system::leader-locking-kube-controller-manager',
      'system::leader-locking-kube-controller-manager',
      user('system:kube-controller-manager'),
      account(system, 'kube-controller-manager'),
    ),
    roleBinding(
      system,
      'system::leader-locking-kube-scheduler',
      'system::leader-locking-kube-scheduler',
      user('system:kube-scheduler'),
      account(system, 'kube-scheduler'),
    ),
    roleBinding(
      'kube-public',
      'system:controller:bootstrap-signer',
      'system:controller:bootstrap-signer',
      account(system, 'bootstrap-signer'),
    ),
    // Whoever joins reads where the cluster is before anybody knows them.
    roleBinding(
      'kube-public',
      'k8ts:cluster-info',
      'k8ts:cluster-info',
      group('system:unauthenticated'),
      user('system:anonymous'),
    ),
  ];
}
