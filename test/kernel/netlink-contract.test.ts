import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { createNamespace, deleteNamespace } from '../../src/sys/netns.ts';
import { describeKernel, uniqueNamespaceName } from './fixture-namespace.ts';
import { describeRouteKernel } from './route-kernel-contract.ts';

describeKernel('rtnetlink', () => {
  describeRouteKernel('the route kernel of Linux', async () => {
    const names = [uniqueNamespaceName(), uniqueNamespaceName()] as const;
    for (const name of names) createNamespace(name);
    const [near, far] = names.map((namespace) => openLinuxKernel({ namespace }));
    for (const kernel of [near!, far!]) await kernel.changeLink(1, { up: true });
    return {
      near: near!,
      far: far!,
      farName: names[1],
      dispose() {
        near!.close();
        far!.close();
        for (const name of names) deleteNamespace(name);
      },
    };
  });
});
