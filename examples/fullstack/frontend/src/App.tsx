import { Echo } from "./components/Echo";
import { Events } from "./components/Events";
import { Greeting } from "./components/Greeting";
import { Items } from "./components/Items";
import { Slow } from "./components/Slow";
import { Trouble } from "./components/Trouble";
import { Upload } from "./components/Upload";

export function App() {
  return (
    <main>
      <Greeting />
      <div className="grid">
        <Items />
        <Events />
        <Echo />
        <Upload />
        <Slow />
        <Trouble />
      </div>
      <footer>
        Every request on this page goes to <code>{location.origin}</code>: the page, the API, the
        WebSockets and the live reload.
      </footer>
    </main>
  );
}
