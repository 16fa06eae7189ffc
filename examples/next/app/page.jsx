import { Draw } from "./draw";

export default function Page() {
  return <Draw />;
}
